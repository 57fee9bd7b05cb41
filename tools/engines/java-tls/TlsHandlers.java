import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import java.util.Collections;
import java.util.List;
import org.neo4j.backup.impl.BackupModule;
import org.neo4j.backup.impl.BackupSupportingClassesFactory;
import org.neo4j.backup.impl.BackupSupportingClassesFactoryProvider;
import org.neo4j.causalclustering.handlers.DuplexPipelineWrapperFactory;
import org.neo4j.causalclustering.handlers.PipelineWrapper;
import org.neo4j.graphdb.config.Setting;
import org.neo4j.kernel.configuration.Config;
import org.neo4j.kernel.configuration.ssl.SslPolicyLoader;
import org.neo4j.kernel.impl.enterprise.configuration.OnlineBackupSettings;
import org.neo4j.kernel.impl.util.Dependencies;
import org.neo4j.logging.LogProvider;
import org.neo4j.ssl.SslPolicy;

/**
 * The published 3.4 has everything for TLS but one piece: who puts the TLS handler of a policy in front of a connection of
 * the cluster protocol. It refuses a policy instead ("Unexpected SSL policy"). This is that piece, for server and tool.
 * What reads the policy, loads keys and certificates and makes the handler is Neo4j's own.
 */
public final class TlsHandlers implements DuplexPipelineWrapperFactory {
    private interface Handler {
        ChannelHandler of(SslPolicy policy, Channel channel) throws Exception;
    }

    private static PipelineWrapper wrapper(Config config, LogProvider log, Setting<String> setting, Handler handler) {
        String name = config.get(setting);
        SslPolicy policy = name == null ? null : SslPolicyLoader.create(config, log).getPolicy(name);
        return new PipelineWrapper() {
            @Override
            public List<ChannelHandler> handlersFor(Channel channel) throws Exception {
                return policy == null
                        ? Collections.emptyList()
                        : Collections.singletonList(handler.of(policy, channel));
            }

            @Override
            public String name() {
                return "tls";
            }
        };
    }

    @Override
    public PipelineWrapper forServer(
            Config config, Dependencies dependencies, LogProvider log, Setting<String> setting) {
        return wrapper(config, log, setting, SslPolicy::nettyServerHandler);
    }

    @Override
    public PipelineWrapper forClient(
            Config config, Dependencies dependencies, LogProvider log, Setting<String> setting) {
        return wrapper(config, log, setting, SslPolicy::nettyClientHandler);
    }

    /** How the tool finds it: META-INF/services. Of several, the tool takes the one of the highest priority. */
    public static final class Provider extends BackupSupportingClassesFactoryProvider {
        public Provider() {
            super("tls");
        }

        @Override
        public BackupSupportingClassesFactory getFactory(BackupModule module) {
            return new BackupSupportingClassesFactory(module) {
                @Override
                protected PipelineWrapper createPipelineWrapper(Config config) {
                    return new TlsHandlers().forClient(config, null, logProvider, OnlineBackupSettings.ssl_policy);
                }
            };
        }

        @Override
        protected int getPriority() {
            return super.getPriority() + 1;
        }
    }
}

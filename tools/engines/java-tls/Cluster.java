import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.neo4j.causalclustering.core.CoreGraphDatabase;
import org.neo4j.causalclustering.core.EnterpriseCoreEditionModule;
import org.neo4j.causalclustering.core.consensus.roles.Role;
import org.neo4j.causalclustering.discovery.HazelcastDiscoveryServiceFactory;
import org.neo4j.causalclustering.handlers.DuplexPipelineWrapperFactory;
import org.neo4j.graphdb.Label;
import org.neo4j.graphdb.Transaction;
import org.neo4j.graphdb.factory.GraphDatabaseFactoryState;
import org.neo4j.kernel.configuration.Config;
import org.neo4j.kernel.impl.factory.DatabaseInfo;
import org.neo4j.kernel.impl.factory.GraphDatabaseFacadeFactory;

/**
 * The smallest causal cluster that 3.4 allows, two cores, in one process: only clusters speak TLS for backups. The first
 * one serves backups. Arguments as for Server: x.store, x.nodes, x.rate, x.bytes, and settings of the database.
 */
public final class Cluster {
    private static final int CORES = 2;
    private static final String[] LISTENERS = {
        "causal_clustering.discovery_", "causal_clustering.raft_", "causal_clustering.transaction_", "dbms.connector.bolt."
    };

    private static final class Core extends CoreGraphDatabase {
        Core(File store, Config config) {
            new GraphDatabaseFacadeFactory(DatabaseInfo.CORE, platform ->
                    new EnterpriseCoreEditionModule(platform, new HazelcastDiscoveryServiceFactory()) {
                        @Override
                        protected DuplexPipelineWrapperFactory pipelineWrapperFactory() {
                            return new TlsHandlers();
                        }
                    }).initFacade(store, config, new GraphDatabaseFactoryState().databaseDependencies(), this);
        }
    }

    public static void main(String[] args) {
        try {
            run(args);
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1); // the threads of the other core would keep the process
        }
    }

    private static void run(String[] args) throws Exception {
        Map<String, String> own = new TreeMap<>();
        Map<String, String> given = new TreeMap<>();
        for (String arg : args) {
            int equals = arg.indexOf('=');
            (arg.startsWith("x.") ? own : given).put(arg.substring(0, equals), arg.substring(equals + 1));
        }
        int nodes = Integer.parseInt(own.getOrDefault("x.nodes", "0"));
        int bytes = Integer.parseInt(own.getOrDefault("x.bytes", "20"));
        int rate = Integer.parseInt(own.getOrDefault("x.rate", "0"));

        List<CompletableFuture<Core>> starting = new ArrayList<>();
        List<Map<String, String>> members = members(own.get("x.store"));
        members.forEach(settings -> settings.putAll(given));
        members.get(1).put("dbms.backup.enabled", "false");
        for (Map<String, String> settings : members) {
            File store = new File(settings.get("unsupported.dbms.directories.neo4j_home"), "databases/graph.db");
            Config config = Config.builder().withSettings(settings).build();
            starting.add(CompletableFuture.supplyAsync(() -> new Core(store, config)));
        }
        List<Core> cores = new ArrayList<>();
        for (CompletableFuture<Core> core : starting) cores.add(core.get());
        write(cores, nodes, bytes);
        System.out.println("READY nodes=" + nodes);
        System.out.flush();
        while (true) {
            Thread.sleep(1000);
            write(cores, rate, bytes);
        }
    }

    /** The settings of each: every listener has a port of its own. */
    private static List<Map<String, String>> members(String folder) throws IOException {
        List<Map<String, String>> members = new ArrayList<>();
        StringBuilder discovery = new StringBuilder();
        for (int member = 0; member < CORES; member++) {
            Map<String, String> settings = new TreeMap<>();
            settings.put("unsupported.dbms.directories.neo4j_home", new File(folder, "core-" + member).getAbsolutePath());
            settings.put("dbms.memory.pagecache.size", "32M");
            settings.put("dbms.connector.bolt.type", "BOLT");
            settings.put("dbms.connector.bolt.enabled", "true");
            settings.put("causal_clustering.minimum_core_cluster_size_at_formation", String.valueOf(CORES));
            settings.put("causal_clustering.minimum_core_cluster_size_at_runtime", String.valueOf(CORES));
            for (String listener : LISTENERS) {
                String address = "127.0.0.1:" + freePort();
                settings.put(listener + "listen_address", address);
                settings.put(listener + "advertised_address", address);
            }
            discovery.append(member == 0 ? "" : ",").append(settings.get("causal_clustering.discovery_listen_address"));
            members.add(settings);
        }
        members.forEach(settings -> settings.put("causal_clustering.initial_discovery_members", discovery.toString()));
        return members;
    }

    private static int freePort() throws IOException {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        }
    }

    /** In one transaction, on the core that leads. Which one that is may change under it: then it is tried again. */
    private static void write(List<Core> cores, int nodes, int bytes) throws InterruptedException {
        char[] text = new char[bytes];
        Arrays.fill(text, 'x');
        while (nodes > 0) {
            for (Core core : cores) {
                if (core.getRole() != Role.LEADER) continue;
                try (Transaction tx = core.beginTx()) {
                    for (int i = 0; i < nodes; i++) core.createNode(Label.label("Item")).setProperty("text", new String(text) + i);
                    tx.success();
                    tx.close();
                    return;
                } catch (RuntimeException e) {
                    System.out.println("not written yet: " + e);
                }
            }
            Thread.sleep(200);
        }
    }
}

import java.io.File;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.neo4j.dbms.api.DatabaseManagementService;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.graphdb.Label;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.RelationshipType;
import org.neo4j.graphdb.Transaction;
import org.neo4j.kernel.internal.GraphDatabaseAPI;
import org.neo4j.storageengine.api.LogVersionRepository;
import org.neo4j.storageengine.api.StoreIdProvider;
import org.neo4j.storageengine.api.TransactionId;
import org.neo4j.storageengine.api.TransactionIdStore;

/**
 * Opens the database `neo4j` of a home folder (made anew when there is none), writes to it, and prints as one JSON line
 * what the kernel says of it before it is closed in order. Numbers are strings: they need 64 bits.
 *
 * Arguments are key=value. Keys with the prefix "x." are ours, everything else is a setting of the database:
 *   x.home          the home folder (required)
 *   x.transactions  transactions to write, of ten nodes each (default 0)
 *   x.index         "true" makes an index first, which is a transaction of its own
 *   x.kill          "true" ends without closing, as a crash would
 */
public final class Store {
    private static final Label LABEL = Label.label("Item");
    private static final RelationshipType NEXT = RelationshipType.withName("NEXT");

    public static void main(String[] args) throws Exception {
        String home = null;
        int transactions = 0;
        boolean index = false;
        boolean kill = false;
        List<String> settings = new ArrayList<>();
        for (String arg : args) {
            String value = arg.substring(arg.indexOf('=') + 1);
            if (arg.startsWith("x.home=")) home = value;
            else if (arg.startsWith("x.transactions=")) transactions = Integer.parseInt(value);
            else if (arg.startsWith("x.index=")) index = Boolean.parseBoolean(value);
            else if (arg.startsWith("x.kill=")) kill = Boolean.parseBoolean(value);
            else settings.add(arg);
        }
        DatabaseManagementService service = open(Path.of(home), settings);
        GraphDatabaseService db = service.database("neo4j");
        if (index) makeIndex(db);
        for (int i = 0; i < transactions; i++) write(db);
        System.out.println(facts(db));
        System.out.flush();
        if (kill) Runtime.getRuntime().halt(0);
        service.shutdown();
    }

    /** The builder takes a File in 4.0 and a Path since; and so for the file of settings. */
    private static DatabaseManagementService open(Path home, List<String> settings) throws Exception {
        Files.createDirectories(home);
        Path file = Files.write(home.resolve("store.conf"), settings);
        DatabaseManagementServiceBuilder builder;
        try {
            builder = DatabaseManagementServiceBuilder.class.getConstructor(Path.class).newInstance(home);
        } catch (NoSuchMethodException e) {
            builder = DatabaseManagementServiceBuilder.class.getConstructor(File.class).newInstance(home.toFile());
        }
        for (Method method : DatabaseManagementServiceBuilder.class.getMethods()) {
            if (!method.getName().equals("loadPropertiesFromFile")) continue;
            method.invoke(builder, method.getParameterTypes()[0] == Path.class ? file : file.toString());
            break;
        }
        return builder.build();
    }

    private static void makeIndex(GraphDatabaseService db) {
        try (Transaction tx = db.beginTx()) {
            tx.schema().indexFor(LABEL).on("id").create();
            tx.commit();
        }
        try (Transaction tx = db.beginTx()) {
            tx.schema().awaitIndexesOnline(1, TimeUnit.MINUTES);
        }
    }

    /** Nodes, relationships, properties, labels and long strings all get written. */
    private static void write(GraphDatabaseService db) {
        try (Transaction tx = db.beginTx()) {
            Node previous = null;
            for (int i = 0; i < 10; i++) {
                Node node = tx.createNode(LABEL);
                node.setProperty("id", i);
                node.setProperty("text", "x".repeat(200) + i);
                if (previous != null) previous.createRelationshipTo(node, NEXT);
                previous = node;
            }
            tx.commit();
        }
    }

    private static String facts(GraphDatabaseService db) throws Exception {
        GraphDatabaseAPI api = (GraphDatabaseAPI) db;
        TransactionId last = get(api, TransactionIdStore.class).getLastCommittedTransaction();
        StringBuilder json = new StringBuilder("{");
        Object id = storeId(api);
        field(json, "storeID", id);
        for (String getter : new String[] {"getCreationTime", "getRandomId", "getRandom", "getStoreVersion", "getUpgradeTime", "getUpgradeTxId"}) {
            try {
                field(json, getter.substring(3), id.getClass().getMethod(getter).invoke(id));
            } catch (NoSuchMethodException e) {
                // the class of the other time
            }
        }
        field(json, "databaseID", api.databaseId().databaseId().uuid());
        field(json, "LogVersion", get(api, LogVersionRepository.class).getCurrentLogVersion());
        field(json, "LastTransaction", last.getClass().getMethod(isRecord(last) ? "id" : "transactionId").invoke(last));
        field(json, "LastTransactionTime", last.getClass().getMethod("commitTimestamp").invoke(last));
        try (Transaction tx = db.beginTx()) {
            field(json, "nodes", tx.getAllNodes().stream().count());
        }
        json.setLength(json.length() - 1);
        return json.append("}").toString();
    }

    /** In 5.x a transaction's id is a record, with other names. */
    private static boolean isRecord(TransactionId last) {
        for (Method method : last.getClass().getMethods()) if (method.getName().equals("id")) return true;
        return false;
    }

    /** 4.0 has it on the database itself, too; the provider is there in all. */
    private static Object storeId(GraphDatabaseAPI api) throws Exception {
        return StoreIdProvider.class.getMethod("getStoreId").invoke(get(api, StoreIdProvider.class));
    }

    private static <T> T get(GraphDatabaseAPI api, Class<T> type) {
        return api.getDependencyResolver().resolveDependency(type);
    }

    private static void field(StringBuilder json, String name, Object value) {
        json.append('"').append(name).append("\":\"").append(value).append("\",");
    }
}

import java.io.File;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.graphdb.Label;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.RelationshipType;
import org.neo4j.graphdb.Transaction;
import org.neo4j.graphdb.factory.EnterpriseGraphDatabaseFactory;
import org.neo4j.graphdb.factory.GraphDatabaseBuilder;

/**
 * An enterprise database with its online backup service, embedded in a process of ours.
 *
 * Arguments are key=value. Keys with the prefix "x." are ours, everything else is a setting of the database:
 *   x.store   the store's folder (required)
 *   x.nodes   nodes that exist before READY is printed (default 0); those that the store already holds count
 *   x.rate    nodes written per second from then on (default 0)
 *   x.batch   nodes per transaction of those (default: all of a second's)
 *   x.bytes   length of each node's text property (default 20)
 * SIGTERM closes the database in order and ends with exit code 0.
 */
public final class Server {
    // As lambdas: what makes one by its name is another class in 2.3.
    private static final Label LABEL = () -> "Item";
    private static final RelationshipType NEXT = () -> "NEXT";
    private static final int NODES_PER_TRANSACTION = 1000;

    private static volatile boolean stopping;

    public static void main(String[] args) throws Exception {
        Map<String, String> own = new TreeMap<>();
        Map<String, String> settings = new TreeMap<>();
        // Without a limit the page cache may take half of the machine's memory.
        settings.put("dbms.memory.pagecache.size", "64M");
        settings.put("dbms.pagecache.memory", "64M"); // its name in 2.3
        for (String arg : args) {
            int equals = arg.indexOf('=');
            if (equals < 1) {
                System.err.println("not key=value: " + arg);
                System.exit(2);
            }
            (arg.startsWith("x.") ? own : settings).put(arg.substring(0, equals), arg.substring(equals + 1));
        }
        GraphDatabaseBuilder builder =
                new EnterpriseGraphDatabaseFactory().newEmbeddedDatabaseBuilder(new File(own.get("x.store")));
        settings.forEach(builder::setConfig);
        GraphDatabaseService db = builder.newGraphDatabase();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopping = true;
            db.shutdown();
            System.out.println("STOPPED");
            System.out.flush();
            Runtime.getRuntime().halt(0); // else the JVM reports the signal, and an orderly end looks like a kill
        }));

        int bytes = number(own, "x.bytes", 20);
        int wanted = number(own, "x.nodes", 0);
        for (long have = count(db); have < wanted; ) {
            int batch = (int) Math.min(NODES_PER_TRANSACTION, wanted - have);
            write(db, batch, bytes);
            have += batch;
        }
        System.out.println("READY nodes=" + count(db));
        System.out.flush();

        int rate = number(own, "x.rate", 0);
        int batch = number(own, "x.batch", Math.max(rate, 1));
        while (true) {
            Thread.sleep(1000);
            for (int done = 0; done < rate && !stopping; done += batch) {
                try {
                    write(db, Math.min(batch, rate - done), bytes);
                } catch (RuntimeException e) {
                    if (!stopping) throw e;
                }
            }
        }
    }

    private static int number(Map<String, String> own, String key, int otherwise) {
        return own.containsKey(key) ? Integer.parseInt(own.get(key)) : otherwise;
    }

    private static long count(GraphDatabaseService db) {
        long nodes = 0;
        try (Transaction tx = db.beginTx()) {
            for (Node ignored : db.getAllNodes()) nodes++;
            tx.success();
        }
        return nodes;
    }

    /** A chain of `nodes` nodes in one transaction: nodes, relationships, properties, labels and strings all get written. */
    private static void write(GraphDatabaseService db, int nodes, int bytes) {
        char[] text = new char[bytes];
        Arrays.fill(text, 'x');
        try (Transaction tx = db.beginTx()) {
            Node previous = null;
            for (int i = 0; i < nodes; i++) {
                Node node = db.createNode(LABEL);
                node.setProperty("id", node.getId());
                node.setProperty("text", new String(text) + node.getId());
                if (previous != null) previous.createRelationshipTo(node, NEXT);
                previous = node;
            }
            tx.success();
        }
    }
}

import java.io.File;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.Transaction;
import org.neo4j.graphdb.factory.GraphDatabaseFactory;

/** Opens the store in the given folder, which may write to it (recovery), and prints {"nodes":N}. */
public final class Count {
    public static void main(String[] args) {
        GraphDatabaseService db = new GraphDatabaseFactory()
                .newEmbeddedDatabaseBuilder(new File(args[0]))
                .setConfig("dbms.memory.pagecache.size", "32M")
                .setConfig("dbms.pagecache.memory", "32M") // its name in 2.3
                .newGraphDatabase();
        long nodes = 0;
        try (Transaction tx = db.beginTx()) {
            for (Node ignored : db.getAllNodes()) nodes++;
            tx.success();
        }
        db.shutdown();
        System.out.println("{\"nodes\":" + nodes + "}");
    }
}

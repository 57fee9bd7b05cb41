import java.io.File;
import org.neo4j.graphdb.DependencyResolver;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.graphdb.factory.GraphDatabaseFactory;
import org.neo4j.io.fs.DefaultFileSystemAbstraction;
import org.neo4j.io.fs.FileSystemAbstraction;
import org.neo4j.io.pagecache.PageCache;
import org.neo4j.kernel.impl.store.MetaDataStore;
import org.neo4j.kernel.impl.store.MetaDataStore.Position;
import org.neo4j.kernel.impl.transaction.log.TransactionIdStore;

/**
 * What the kernel itself says of the store in the given folder, as one JSON line: the records of its neostore file as
 * they are on disk, and the last committed transaction after the store was opened, which replays the transaction logs.
 * Opening may write to the folder. Numbers are printed as strings: they need 64 bits.
 */
public final class StoreFacts {
    public static void main(String[] args) throws Exception {
        File store = new File(args[0]);
        StringBuilder json = new StringBuilder("{");
        try (PageCache pages = pageCache(new DefaultFileSystemAbstraction())) {
            File neostore = new File(store, MetaDataStore.DEFAULT_NAME);
            for (Position position : Position.values())
                field(json, position.name(), MetaDataStore.getRecord(pages, neostore, position));
            long version = MetaDataStore.getRecord(pages, neostore, Position.STORE_VERSION);
            json.append("\"storeVersionText\":\"").append(MetaDataStore.versionLongToString(version)).append("\",");
        }
        GraphDatabaseService db = new GraphDatabaseFactory()
                .newEmbeddedDatabaseBuilder(store)
                .setConfig("dbms.memory.pagecache.size", "32M")
                .setConfig("dbms.pagecache.memory", "32M") // its name in 2.3
                .newGraphDatabase();
        TransactionIdStore ids =
                ((DependencyResolver) ask(db, "getDependencyResolver")).resolveDependency(TransactionIdStore.class);
        json.append("\"openedStoreId\":\"").append(ask(db, "storeId")).append("\",");
        field(json, "openedLastCommitted", ids.getLastCommittedTransactionId());
        db.shutdown();
        json.setLength(json.length() - 1);
        System.out.println(json.append("}"));
    }

    /** A method of the interface GraphDatabaseAPI, which is in another package in 2.3. */
    private static Object ask(GraphDatabaseService db, String method) throws ReflectiveOperationException {
        return db.getClass().getMethod(method).invoke(db);
    }

    /** The class that makes one moved between 3.0 and 3.4. */
    private static PageCache pageCache(FileSystemAbstraction files) throws ReflectiveOperationException {
        Class<?> factory;
        try {
            factory = Class.forName("org.neo4j.io.pagecache.impl.muninn.StandalonePageCacheFactory");
        } catch (ClassNotFoundException e) {
            factory = Class.forName("org.neo4j.kernel.impl.pagecache.StandalonePageCacheFactory");
        }
        return (PageCache) factory.getMethod("createPageCache", FileSystemAbstraction.class).invoke(null, files);
    }

    private static void field(StringBuilder json, String name, long value) {
        json.append('"').append(name).append("\":\"").append(value).append("\",");
    }
}

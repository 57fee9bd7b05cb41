import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.neo4j.dbms.archive.backup.BackupCompressionFormat;
import org.neo4j.dbms.archive.backup.BackupDescription;
import org.neo4j.kernel.database.DatabaseIdFactory;
import org.neo4j.storageengine.api.StoreId;

/**
 * Packs a folder as a backup artifact with the writer of the community edition, and prints as one JSON line what its
 * reader then says of it. Numbers are strings: they need 64 bits. What puts the online backup's command to work between
 * server and this writer is no part of the community edition.
 *
 * Arguments are key=value:
 *   format          BZV1, BTV1, BZV2, BTV2 or BZV3
 *   folder, to      what is packed, and the file to make
 *   part            with it the artifact is split into files of at most so many bytes (not before 2025)
 *   creationTime, random, databaseID, database, seconds, lowest, highest, recovered, full, script
 *                   what the artifact is to say of itself; the script may be absent
 */
public final class Artifact {
    public static void main(String[] args) throws Exception {
        Map<String, String> given = new TreeMap<>();
        for (String arg : args) given.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
        String name = given.get("format");
        boolean compressed = name.charAt(1) == 'Z';
        BackupDescription description = new BackupDescription(
                given.get("database"),
                new StoreId(number(given, "creationTime"), number(given, "random"), "record", "aligned", 1, 1),
                DatabaseIdFactory.from(UUID.fromString(given.get("databaseID"))),
                LocalDateTime.ofEpochSecond(number(given, "seconds"), 0, ZoneOffset.UTC),
                flag(given, "recovered"),
                compressed,
                flag(given, "full"),
                number(given, "lowest"),
                number(given, "highest"));
        String script = given.get("script");
        BackupCompressionFormat format = (BackupCompressionFormat)
                Class.forName("org.neo4j.dbms.archive.backup.Backup" + (compressed ? "Zstd" : "Tar") + "Format" + name.substring(2))
                        .getConstructor()
                        .newInstance();
        format.setMetadata(script == null ? description : description.withMetadataScript(script));
        Path to = Path.of(given.get("to"));
        Dump.write(Path.of(given.get("folder")), to, format, given.get("part"));
        System.out.println(said(Dump.read(to)));
    }

    private static String said(BackupDescription of) {
        StringBuilder json = new StringBuilder("{");
        field(json, "creationTime", of.getStoreId().getCreationTime());
        field(json, "random", of.getStoreId().getRandom());
        field(json, "databaseID", of.getDatabaseId().uuid());
        field(json, "database", of.getDatabaseName());
        field(json, "backupTime", of.getBackupTime());
        field(json, "lowest", of.getLowestAppendIndex());
        field(json, "highest", of.getHighestAppendIndex());
        field(json, "full", of.isFull());
        field(json, "compressed", of.isCompressed());
        field(json, "recovered", of.isRecovered());
        json.setLength(json.length() - 1);
        return json.append("}").toString();
    }

    private static long number(Map<String, String> given, String key) {
        return Long.parseLong(given.get(key));
    }

    private static boolean flag(Map<String, String> given, String key) {
        return Boolean.parseBoolean(given.get(key));
    }

    private static void field(StringBuilder json, String name, Object value) {
        json.append('"').append(name).append("\":\"").append(value).append("\",");
    }
}

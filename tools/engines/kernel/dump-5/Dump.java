import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.neo4j.dbms.archive.Dumper;
import org.neo4j.dbms.archive.backup.BackupCompressionFormat;
import org.neo4j.dbms.archive.backup.BackupDescription;
import org.neo4j.dbms.archive.backup.BackupFormatSelector;
import org.neo4j.io.fs.DefaultFileSystemAbstraction;

/** Writes and reads an artifact by the API of 5.x. */
final class Dump {
    static void write(Path folder, Path to, BackupCompressionFormat format, String part) throws IOException {
        if (part != null) throw new IllegalArgumentException("5.x does not split");
        Dumper dumper = new Dumper(new DefaultFileSystemAbstraction());
        dumper.visitPath(folder, path -> false);
        dumper.dump(dumper.openForDump(to), format);
    }

    static BackupDescription read(Path artifact) throws IOException {
        try (InputStream stream = Files.newInputStream(artifact)) {
            return BackupFormatSelector.readDescription(stream);
        }
    }
}

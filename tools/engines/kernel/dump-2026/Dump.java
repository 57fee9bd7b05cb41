import java.io.IOException;
import java.nio.file.Path;
import org.neo4j.dbms.archive.Dumper;
import org.neo4j.dbms.archive.backup.BackupCompressionFormat;
import org.neo4j.dbms.archive.backup.BackupDescription;
import org.neo4j.dbms.archive.backup.BackupFormatSelector;
import org.neo4j.io.fs.DefaultFileSystemAbstraction;
import org.neo4j.io.fs.FileSystemAbstraction;

/** Writes and reads an artifact by the API of 2026. */
final class Dump {
    private static final FileSystemAbstraction FILES = new DefaultFileSystemAbstraction();

    static void write(Path folder, Path to, BackupCompressionFormat format, String part) throws IOException {
        Dumper.DumpOutput output = part == null
                ? Dumper.FileOutput.of(FILES, to)
                : Dumper.SplitFileOutput.of(FILES, to, Long.parseLong(part));
        new Dumper(FILES).dump(output, format, Dumper.collectManifest(folder));
    }

    static BackupDescription read(Path artifact) throws IOException {
        return BackupFormatSelector.readDescription(FILES, artifact);
    }
}

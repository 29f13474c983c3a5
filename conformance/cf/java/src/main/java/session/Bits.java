package session;

import static session.Client.env;

import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;

/** What is pushed: the example program with a Procfile and a version. */
final class Bits {

    private Bits() {}

    static Path zip(String version, String configuration) throws IOException {
        Path path = Path.of(env("WINDLASS_SCRATCH"), "java-" + version + ".zip");
        Map<String, String> manners = Map.of("create", "true", "enablePosixFileAttributes", "true");
        try (FileSystem archive =
                FileSystems.newFileSystem(URI.create("jar:" + path.toUri()), manners)) {
            Path program = archive.getPath("hello");
            Files.copy(Path.of(env("HELLO_BINARY")), program);
            Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
            Files.writeString(
                    archive.getPath("Procfile"),
                    "web: ./hello\nworker: ./hello worker\ntask: ./hello task\n");
            Files.writeString(
                    archive.getPath("hello.conf"), "VERSION=" + version + "\n" + configuration + "\n");
        }
        return path;
    }
}

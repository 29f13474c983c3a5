package session;

import static session.Client.env;
import static session.Steps.equal;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;

/** The command line of Windlass beside the client. */
final class Windlass {

    private Windlass() {}

    /** Creates a client of an organization; gives its secret. */
    static String createClient(String id, String organization) {
        ProcessBuilder command =
                new ProcessBuilder(
                        env("WINDLASS_BINARY"),
                        "user",
                        "create",
                        id,
                        "--client",
                        "--org",
                        organization,
                        "--output",
                        "json",
                        "--data-dir",
                        env("WINDLASS_DATA_DIR"));
        try {
            Process run = command.redirectError(ProcessBuilder.Redirect.INHERIT).start();
            String secret = new ObjectMapper().readTree(run.getInputStream()).path("password").asText();
            equal(run.waitFor(), 0, "exit status");
            return secret;
        } catch (IOException problem) {
            throw new Steps.Difference("windlass user create: " + problem);
        } catch (InterruptedException interrupt) {
            Thread.currentThread().interrupt();
            throw new Steps.Difference("interrupted");
        }
    }
}

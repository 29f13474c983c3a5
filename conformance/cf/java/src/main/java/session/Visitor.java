package session;

import static session.Client.env;
import static session.Steps.equal;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/** A visitor of an app, through the router. */
final class Visitor {

    private static final String VERSION = "x-hello-version: ";

    private static final int ANSWER_LIMIT_MS = 60_000;

    private Visitor() {}

    /** How many of {@code count} requests each version answered. */
    static Map<String, Integer> versions(String host, int count) {
        Map<String, Integer> seen = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            seen.merge(version(host), 1, Integer::sum);
        }
        return seen;
    }

    /** The HTTP client of Java takes no Host header of ours, so the request is written here. */
    private static String version(String host) {
        URI router = URI.create(env("WINDLASS_ROUTER_HTTP"));
        try (Socket socket = new Socket(router.getHost(), router.getPort())) {
            socket.setSoTimeout(ANSWER_LIMIT_MS);
            String request = "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            byte[] bytes = socket.getInputStream().readAllBytes();
            String[] lines = new String(bytes, StandardCharsets.UTF_8).split("\r\n");
            equal(lines[0], "HTTP/1.1 200 OK", "status of the app");
            for (String line : lines) {
                if (line.toLowerCase().startsWith(VERSION)) {
                    return line.substring(VERSION.length());
                }
            }
            throw new Steps.Difference("no version in the answer");
        } catch (IOException problem) {
            throw new Steps.Difference("a visitor: " + problem);
        }
    }
}

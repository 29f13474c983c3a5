package session;

import io.netty.handler.ssl.SslContextBuilder;
import java.io.File;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import javax.net.ssl.SSLException;
import org.cloudfoundry.reactor.ConnectionContext;
import org.cloudfoundry.reactor.DefaultConnectionContext;
import org.cloudfoundry.reactor.TokenProvider;
import org.cloudfoundry.reactor.client.ReactorCloudFoundryClient;
import org.cloudfoundry.reactor.logcache.v1.ReactorLogCacheClient;
import org.cloudfoundry.reactor.tokenprovider.ClientCredentialsGrantTokenProvider;
import org.cloudfoundry.reactor.tokenprovider.PasswordGrantTokenProvider;
import reactor.core.publisher.Mono;
import reactor.netty.http.client.HttpClient;
import reactor.netty.tcp.SslProvider;

/** The client, and how it reaches the server that {@code windlass env} names. */
final class Client {

    private static final Duration ANSWER_LIMIT = Duration.ofMinutes(2);

    final ReactorCloudFoundryClient cf;

    final ReactorLogCacheClient logs;

    final Canaries canaries;

    private Client(ConnectionContext connection, TokenProvider tokens) {
        this.cf =
                ReactorCloudFoundryClient.builder()
                        .connectionContext(connection)
                        .tokenProvider(tokens)
                        .build();
        this.logs =
                ReactorLogCacheClient.builder()
                        .connectionContext(connection)
                        .tokenProvider(tokens)
                        .build();
        Mono<String> root = connection.getRootProvider().getRoot("cloud_controller_v3", connection);
        this.canaries = new Canaries(connection, root, tokens, Map.of());
    }

    static Client ofUser(String name, String password) {
        return new Client(
                connection(),
                PasswordGrantTokenProvider.builder().username(name).password(password).build());
    }

    static Client ofClient(String id, String secret) {
        return new Client(
                connection(),
                ClientCredentialsGrantTokenProvider.builder()
                        .clientId(id)
                        .clientSecret(secret)
                        .build());
    }

    /** What is answered, or the exception that the client makes of a refusal. */
    static <T> T answer(Mono<T> call) {
        return call.block(ANSWER_LIMIT);
    }

    private static ConnectionContext connection() {
        URI api = URI.create(env("WINDLASS_CF_API"));
        DefaultConnectionContext.Builder builder =
                DefaultConnectionContext.builder().apiHost(api.getHost());
        if (api.getPort() != -1) {
            builder.port(api.getPort());
        }
        return builder.additionalHttpClientConfiguration(Client::trusting).build();
    }

    /** Certificates are checked, against the authority of the server. */
    private static HttpClient trusting(HttpClient client) {
        return client.secure(Client::trust);
    }

    private static void trust(SslProvider.SslContextSpec spec) {
        try {
            File bundle = new File(env("WINDLASS_CA_FILE"));
            spec.sslContext(SslContextBuilder.forClient().trustManager(bundle).build());
        } catch (SSLException problem) {
            throw new IllegalStateException(problem);
        }
    }

    static String env(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw new IllegalStateException("no variable " + name);
        }
        return value;
    }
}

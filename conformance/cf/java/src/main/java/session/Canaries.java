package session;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.cloudfoundry.reactor.ConnectionContext;
import org.cloudfoundry.reactor.TokenProvider;
import org.cloudfoundry.reactor.util.AbstractReactorOperations;
import org.cloudfoundry.reactor.util.ErrorPayloadMappers;
import org.cloudfoundry.reactor.util.Operator;
import reactor.core.publisher.Mono;
import reactor.netty.http.client.HttpClientRequest;

/**
 * Canary deployments. The client has no words for them (its one strategy is rolling, and it has no
 * call that continues), so these calls go through its connections and tokens alone.
 */
final class Canaries extends AbstractReactorOperations {

    Canaries(
            ConnectionContext connection,
            Mono<String> root,
            TokenProvider tokens,
            Map<String, String> tags) {
        super(connection, root, tokens, tags);
    }

    Map<?, ?> create(String app, String droplet, List<Integer> weights) {
        List<?> steps = weights.stream().map(weight -> Map.of("instance_weight", weight)).toList();
        Map<String, ?> body =
                Map.of(
                        "strategy", "canary",
                        "droplet", Map.of("guid", droplet),
                        "options", Map.of("canary", Map.of("steps", steps)),
                        "relationships", Map.of("app", Map.of("data", Map.of("guid", app))));
        return answer(
                operator ->
                        operator.post()
                                .uri(uri -> uri.pathSegment("deployments"))
                                .send((request, outbound) -> outbound.sendByteArray(json(request, body)))
                                .response()
                                .parseBody(Map.class));
    }

    Map<?, ?> get(String id) {
        return answer(
                operator ->
                        operator.get()
                                .uri(uri -> uri.pathSegment("deployments", id))
                                .response()
                                .parseBody(Map.class));
    }

    /** {@code continue} or {@code cancel}. */
    Map<?, ?> act(String id, String verb) {
        return answer(
                operator ->
                        operator.post()
                                .uri(uri -> uri.pathSegment("deployments", id, "actions", verb))
                                .response()
                                .parseBody(Map.class));
    }

    /** Value, reason and, while there are any, the current step. */
    static List<?> status(Map<?, ?> deployment) {
        Map<?, ?> status = (Map<?, ?>) deployment.get("status");
        Map<?, ?> canary = (Map<?, ?>) status.get("canary");
        Map<?, ?> steps = (Map<?, ?>) canary.get("steps");
        return List.of(status.get("value"), status.get("reason"), steps.get("current"));
    }

    /** The client itself sends nothing but requests of its own. */
    private Mono<byte[]> json(HttpClientRequest request, Map<String, ?> body) {
        try {
            byte[] bytes = connectionContext.getObjectMapper().writeValueAsBytes(body);
            request.header("Content-Type", "application/json");
            request.header("Content-Length", String.valueOf(bytes.length));
            return Mono.just(bytes);
        } catch (JsonProcessingException problem) {
            throw new IllegalStateException(problem);
        }
    }

    @SuppressWarnings("rawtypes")
    private Map<?, ?> answer(Function<Operator, Mono<Map>> call) {
        return Client.answer(
                createOperator()
                        .map(
                                operator ->
                                        operator.withErrorPayloadMapper(
                                                ErrorPayloadMappers.clientV3(
                                                        connectionContext.getObjectMapper())))
                        .flatMap(call));
    }
}

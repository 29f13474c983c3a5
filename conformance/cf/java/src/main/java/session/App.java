package session;

import static session.Client.answer;
import static session.Client.env;
import static session.Session.relationship;
import static session.Session.to;
import static session.Steps.equal;
import static session.Steps.holds;
import static session.Steps.refused;
import static session.Steps.step;
import static session.Steps.waitFor;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.cloudfoundry.client.v3.ClientV3Exception;
import org.cloudfoundry.client.v3.Metadata;
import org.cloudfoundry.client.v3.applications.ApplicationRelationships;
import org.cloudfoundry.client.v3.applications.ApplicationState;
import org.cloudfoundry.client.v3.applications.ApplicationsV3;
import org.cloudfoundry.client.v3.applications.CreateApplicationRequest;
import org.cloudfoundry.client.v3.applications.CreateApplicationResponse;
import org.cloudfoundry.client.v3.applications.DeleteApplicationRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationCurrentDropletRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationEnvironmentRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationProcessRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationProcessStatisticsRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationRequest;
import org.cloudfoundry.client.v3.applications.ListApplicationsRequest;
import org.cloudfoundry.client.v3.applications.ScaleApplicationRequest;
import org.cloudfoundry.client.v3.applications.SetApplicationCurrentDropletRequest;
import org.cloudfoundry.client.v3.applications.StartApplicationRequest;
import org.cloudfoundry.client.v3.applications.StopApplicationRequest;
import org.cloudfoundry.client.v3.applications.UpdateApplicationEnvironmentVariablesRequest;
import org.cloudfoundry.client.v3.organizations.GetOrganizationDefaultDomainRequest;
import org.cloudfoundry.client.v3.processes.HealthCheckType;
import org.cloudfoundry.client.v3.processes.ProcessState;
import org.cloudfoundry.client.v3.processes.ProcessStatisticsResource;
import org.cloudfoundry.client.v3.routes.Application;
import org.cloudfoundry.client.v3.routes.CreateRouteRequest;
import org.cloudfoundry.client.v3.routes.Destination;
import org.cloudfoundry.client.v3.routes.InsertRouteDestinationsRequest;
import org.cloudfoundry.client.v3.routes.RouteRelationships;
import org.cloudfoundry.logcache.v1.Envelope;
import org.cloudfoundry.logcache.v1.EnvelopeType;
import org.cloudfoundry.logcache.v1.ReadRequest;

/** The app of the session: from nothing to running instances with a route. */
final class App {

    static final int INSTANCES = 2;

    static final int MEMORY_MB = 64;

    private final Client client;
    private final ApplicationsV3 apps;
    private final String name;
    private final String org;
    private final String space;
    private final String host;

    private String id;
    private String first;

    App(Client client, String name, String org, String space) {
        this.client = client;
        this.apps = client.cf.applicationsV3();
        this.name = name;
        this.org = org;
        this.space = space;
        this.host = name + "." + env("WINDLASS_APPS_DOMAIN");
    }

    void run() {
        step("create an app", this::create);
        step("environment", this::environment);
        step("package, upload, build, droplet", () -> first = stage("1", ""));
        step("current droplet", this::setCurrentDroplet);
        step("scale", this::scale);
        step("route", this::route);
        step("start", this::start);
        step("logs", this::logs);
    }

    String id() {
        return id;
    }

    /** Droplet of the first version. */
    String first() {
        return first;
    }

    String stage(String version, String configuration) {
        return new Staging(client, id).stage(version, configuration);
    }

    String currentDroplet() {
        var get = GetApplicationCurrentDropletRequest.builder().applicationId(id).build();
        return answer(apps.getCurrentDroplet(get)).getId();
    }

    /** Only this version may answer. */
    void serves(String version) {
        equal(Visitor.versions(host, 20), Map.of(version, 20), "answers");
    }

    void allRun() {
        waitFor(
                "running instances",
                this::statistics,
                rows -> rows.size() == INSTANCES && rows.stream().allMatch(App::isRunning));
    }

    private static boolean isRunning(ProcessStatisticsResource row) {
        return row.getState() == ProcessState.RUNNING && row.getUsage().getMemory() != null;
    }

    private List<ProcessStatisticsResource> statistics() {
        var get = GetApplicationProcessStatisticsRequest.builder().applicationId(id).type("web").build();
        return answer(apps.getProcessStatistics(get)).getResources();
    }

    private void create() {
        CreateApplicationRequest create =
                CreateApplicationRequest.builder()
                        .name(name)
                        .environmentVariable("COLOUR", "blue")
                        .metadata(Metadata.builder().label("kind", "session").build())
                        .relationships(ApplicationRelationships.builder().space(to(space)).build())
                        .build();
        CreateApplicationResponse created = answer(apps.create(create));
        id = created.getId();
        equal(created.getState(), ApplicationState.STOPPED, "state");
        var taken = refused(ClientV3Exception.class, () -> answer(apps.create(create)));
        equal(taken.getStatusCode(), 422, "status of a taken name");
        equal(taken.getErrors().get(0).getCode(), 10008, "its code");
        var list = ListApplicationsRequest.builder().name(name).spaceId(space).build();
        equal(answer(apps.list(list)).getResources().get(0).getId(), id, "found by name");
    }

    private void environment() {
        answer(
                apps.updateEnvironmentVariables(
                        UpdateApplicationEnvironmentVariablesRequest.builder()
                                .applicationId(id)
                                .var("SHAPE", "round")
                                .build()));
        var get = GetApplicationEnvironmentRequest.builder().applicationId(id).build();
        equal(
                answer(apps.getEnvironment(get)).getEnvironmentVariables(),
                Map.of("COLOUR", "blue", "SHAPE", "round"),
                "environment");
    }

    private void setCurrentDroplet() {
        var set =
                SetApplicationCurrentDropletRequest.builder()
                        .applicationId(id)
                        .data(relationship(first))
                        .build();
        equal(answer(apps.setCurrentDroplet(set)).getData().getId(), first, "current droplet");
        equal(currentDroplet(), first, "read again");
    }

    private void scale() {
        ScaleApplicationRequest scale =
                ScaleApplicationRequest.builder()
                        .applicationId(id)
                        .type("web")
                        .instances(INSTANCES)
                        .memoryInMb(MEMORY_MB)
                        .diskInMb(128)
                        .build();
        equal(answer(apps.scale(scale)).getInstances(), INSTANCES, "instances");
        var get = GetApplicationProcessRequest.builder().applicationId(id).type("web").build();
        var web = answer(apps.getProcess(get));
        equal(web.getCommand(), "./hello", "command");
        equal(web.getHealthCheck().getType(), HealthCheckType.PORT, "health check");
    }

    private void route() {
        var get = GetOrganizationDefaultDomainRequest.builder().organizationId(org).build();
        var domain = answer(client.cf.organizationsV3().getDefaultDomain(get));
        equal(domain.getName(), env("WINDLASS_APPS_DOMAIN"), "default domain");
        CreateRouteRequest create =
                CreateRouteRequest.builder()
                        .host(name)
                        .relationships(
                                RouteRelationships.builder()
                                        .domain(to(domain.getId()))
                                        .space(to(space))
                                        .build())
                        .build();
        var route = answer(client.cf.routesV3().create(create));
        equal(route.getUrl(), host, "address");
        Application to = Application.builder().applicationId(id).build();
        var insert =
                InsertRouteDestinationsRequest.builder()
                        .routeId(route.getId())
                        .destination(Destination.builder().application(to).build())
                        .build();
        answer(client.cf.routesV3().insertDestinations(insert));
    }

    private void start() {
        StartApplicationRequest start = StartApplicationRequest.builder().applicationId(id).build();
        equal(answer(apps.start(start)).getState(), ApplicationState.STARTED, "state");
        allRun();
        serves("1");
    }

    private void logs() {
        List<Envelope> lines =
                waitFor(
                        "lines of every instance",
                        this::lines,
                        seen -> ofWeb(seen).map(Envelope::getInstanceId).distinct().count() == INSTANCES);
        holds(
                ofWeb(lines).anyMatch(line -> line.getLog().getPayloadAsText().contains("listen")),
                "what the program says when it listens");
    }

    private List<Envelope> lines() {
        ReadRequest read =
                ReadRequest.builder().sourceId(id).envelopeType(EnvelopeType.LOG).limit(1000).build();
        return answer(client.logs.read(read)).getEnvelopes().getBatch();
    }

    private static Stream<Envelope> ofWeb(List<Envelope> lines) {
        return lines.stream().filter(line -> "APP/PROC/WEB".equals(line.getTags().get("source_type")));
    }

    /** Gives the job of the deletion. */
    String stopAndDelete() {
        StopApplicationRequest stop = StopApplicationRequest.builder().applicationId(id).build();
        equal(answer(apps.stop(stop)).getState(), ApplicationState.STOPPED, "state");
        DeleteApplicationRequest delete = DeleteApplicationRequest.builder().applicationId(id).build();
        String job = answer(apps.delete(delete));
        GetApplicationRequest get = GetApplicationRequest.builder().applicationId(id).build();
        var gone = refused(ClientV3Exception.class, () -> answer(apps.get(get)));
        equal(gone.getStatusCode(), 404, "status of an app that is gone");
        return job;
    }
}

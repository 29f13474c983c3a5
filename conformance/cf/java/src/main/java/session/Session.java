package session;

import static session.Client.answer;
import static session.Client.env;
import static session.Steps.equal;
import static session.Steps.holds;
import static session.Steps.refused;
import static session.Steps.step;
import static session.Steps.waitFor;

import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.cloudfoundry.client.v3.Pagination;
import org.cloudfoundry.client.v3.Relationship;
import org.cloudfoundry.client.v3.ToOneRelationship;
import org.cloudfoundry.client.v3.auditevents.AuditEventResource;
import org.cloudfoundry.client.v3.auditevents.ListAuditEventsRequest;
import org.cloudfoundry.client.v3.jobs.GetJobRequest;
import org.cloudfoundry.client.v3.jobs.JobState;
import org.cloudfoundry.client.v3.organizations.CreateOrganizationRequest;
import org.cloudfoundry.client.v3.organizations.DeleteOrganizationRequest;
import org.cloudfoundry.client.v3.organizations.ListOrganizationsRequest;
import org.cloudfoundry.client.v3.organizations.OrganizationResource;
import org.cloudfoundry.client.v3.spaces.CreateSpaceRequest;
import org.cloudfoundry.client.v3.spaces.SpaceRelationships;
import org.cloudfoundry.uaa.UaaException;

/**
 * One session of {@code cloudfoundry-client-reactor}: what a Java program does with an app.
 *
 * <p>Reads the variables of {@code windlass env} and HELLO_BINARY. One line a step; exit status 1
 * on any difference between what the server does and what the client needs.
 */
public final class Session {

    private final String name = "java-" + UUID.randomUUID().toString().substring(0, 8);

    private final Client client = Client.ofUser(env("WINDLASS_USER"), env("WINDLASS_PASSWORD"));

    private String org;

    private String space;

    private Session() {}

    public static void main(String[] arguments) {
        try {
            new Session().run();
        } catch (RuntimeException problem) {
            if (System.getenv("SESSION_TRACE") != null) {
                problem.printStackTrace();
            }
            System.err.println("session: " + problem);
            System.exit(1);
        }
        // The client's own threads are not asked whether they are done.
        System.exit(0);
    }

    private void run() {
        step("a wrong password is refused", this::wrongPassword);
        step("organization, space", this::tenants);
        step("log in with client credentials", this::clientCredentials);
        App app = new App(client, name, org, space);
        app.run();
        Deployments deployments = new Deployments(client, app);
        deployments.run();
        new Tasks(client, app.id()).run();
        step("audit events", () -> events(app.id()));
        step("stop and delete", () -> delete(app));
    }

    private void wrongPassword() {
        Client wrong = Client.ofUser(env("WINDLASS_USER"), "wrong");
        ListOrganizationsRequest list = ListOrganizationsRequest.builder().build();
        UaaException refusal =
                refused(UaaException.class, () -> answer(wrong.cf.organizationsV3().list(list)));
        equal(refusal.getStatusCode(), 401, "status of the refusal (" + refusal.getMessage() + ")");
        equal(refusal.getError(), "unauthorized", "its word");
    }

    private void tenants() {
        CreateOrganizationRequest create = CreateOrganizationRequest.builder().name(name).build();
        org = answer(client.cf.organizationsV3().create(create)).getId();
        SpaceRelationships inside = SpaceRelationships.builder().organization(to(org)).build();
        CreateSpaceRequest dev = CreateSpaceRequest.builder().name("dev").relationships(inside).build();
        space = answer(client.cf.spacesV3().create(dev)).getId();
        ListOrganizationsRequest ours = ListOrganizationsRequest.builder().name(name).build();
        equal(answer(client.cf.organizationsV3().list(ours)).getResources().size(), 1, "of that name");
        holds(organizations() >= 2, "the first organization is listed too");
    }

    /** A client of one organization sees that and no other. */
    private void clientCredentials() {
        String id = name + "-robot";
        Client robot = Client.ofClient(id, Windlass.createClient(id, env("WINDLASS_ORGANIZATION")));
        ListOrganizationsRequest list = ListOrganizationsRequest.builder().build();
        List<String> seen =
                answer(robot.cf.organizationsV3().list(list)).getResources().stream()
                        .map(OrganizationResource::getName)
                        .toList();
        equal(seen, List.of(env("WINDLASS_ORGANIZATION")), "organizations of a client");
    }

    /** How many there are, by pages of one. */
    private int organizations() {
        int seen = 0;
        Pagination pages;
        int page = 1;
        do {
            ListOrganizationsRequest list = ListOrganizationsRequest.builder().page(page).perPage(1).build();
            var answer = answer(client.cf.organizationsV3().list(list));
            pages = answer.getPagination();
            seen += answer.getResources().size();
            page += 1;
        } while (pages.getNext() != null);
        equal(seen, pages.getTotalResults(), "organizations over all pages");
        return seen;
    }

    private void events(String app) {
        ListAuditEventsRequest list = ListAuditEventsRequest.builder().targetId(app).perPage(200).build();
        Set<String> types =
                answer(client.cf.auditEventsV3().list(list)).getResources().stream()
                        .map(AuditEventResource::getType)
                        .collect(Collectors.toSet());
        for (String wanted :
                List.of(
                        "audit.app.create",
                        "audit.app.deployment.create",
                        "audit.app.deployment.continue",
                        "audit.app.deployment.cancel",
                        "audit.app.task.create",
                        "audit.app.task.cancel")) {
            holds(types.contains(wanted), wanted + " among " + types);
        }
    }

    private void delete(App app) {
        complete(app.stopAndDelete());
        DeleteOrganizationRequest delete = DeleteOrganizationRequest.builder().organizationId(org).build();
        complete(answer(client.cf.organizationsV3().delete(delete)));
    }

    private void complete(String job) {
        GetJobRequest get = GetJobRequest.builder().jobId(job).build();
        var done =
                waitFor(
                        "the job",
                        () -> answer(client.cf.jobsV3().get(get)),
                        now -> now.getState() != JobState.PROCESSING);
        equal(done.getState(), JobState.COMPLETE, "job");
    }

    static ToOneRelationship to(String id) {
        return ToOneRelationship.builder().data(relationship(id)).build();
    }

    static Relationship relationship(String id) {
        return Relationship.builder().id(id).build();
    }
}

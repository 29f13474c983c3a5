package session;

import static session.Client.answer;
import static session.Client.env;
import static session.Session.relationship;
import static session.Session.to;
import static session.Steps.equal;
import static session.Steps.refused;
import static session.Steps.step;
import static session.Steps.waitFor;

import java.util.List;
import java.util.Map;
import org.cloudfoundry.client.v3.ClientV3Exception;
import org.cloudfoundry.client.v3.deployments.CancelDeploymentRequest;
import org.cloudfoundry.client.v3.deployments.CreateDeploymentRequest;
import org.cloudfoundry.client.v3.deployments.CreateDeploymentResponse;
import org.cloudfoundry.client.v3.deployments.Deployment;
import org.cloudfoundry.client.v3.deployments.DeploymentRelationships;
import org.cloudfoundry.client.v3.deployments.DeploymentStatusReason;
import org.cloudfoundry.client.v3.deployments.DeploymentStatusValue;
import org.cloudfoundry.client.v3.deployments.DeploymentStrategy;
import org.cloudfoundry.client.v3.deployments.DeploymentsV3;
import org.cloudfoundry.client.v3.deployments.GetDeploymentRequest;
import org.cloudfoundry.client.v3.deployments.ListDeploymentsRequest;

/** Rolling deployments by the calls of the client, canaries by {@link Canaries}. */
final class Deployments {

    private final DeploymentsV3 deployments;
    private final Canaries canaries;
    private final App app;

    private String second;

    Deployments(Client client, App app) {
        this.deployments = client.cf.deploymentsV3();
        this.canaries = client.canaries;
        this.app = app;
    }

    void run() {
        step("rolling", this::rolling);
        step("a version that never becomes healthy is canceled", this::cancelRolling);
        step("canary: continue until it is deployed", this::continueCanary);
        step("canary: cancel", this::cancelCanary);
    }

    private CreateDeploymentResponse deploy(String droplet) {
        return answer(
                deployments.create(
                        CreateDeploymentRequest.builder()
                                .droplet(relationship(droplet))
                                .relationships(DeploymentRelationships.builder().app(to(app.id())).build())
                                .build()));
    }

    private Deployment get(String id) {
        return answer(deployments.get(GetDeploymentRequest.builder().deploymentId(id).build()));
    }

    private Deployment finalized(String id) {
        return waitFor(
                "the end of the deployment",
                () -> get(id),
                now -> now.getStatus().getValue() == DeploymentStatusValue.FINALIZED);
    }

    private void rolling() {
        second = app.stage("2", "");
        CreateDeploymentResponse created = deploy(second);
        equal(created.getStrategy(), DeploymentStrategy.ROLLING, "strategy");
        equal(created.getStatus().getValue(), DeploymentStatusValue.ACTIVE, "status");
        equal(created.getOptions().getMaxInFlight(), 1, "max_in_flight");
        equal(created.getDroplet().getId(), second, "droplet");
        equal(created.getPreviousDroplet().getId(), app.first(), "previous droplet");
        Deployment ended = finalized(created.getId());
        equal(ended.getStatus().getReason(), DeploymentStatusReason.DEPLOYED, "outcome");
        app.serves("2");
        var list = ListDeploymentsRequest.builder().applicationId(app.id()).build();
        equal(answer(deployments.list(list)).getResources().size(), 1, "deployments of the app");
    }

    private void cancelRolling() {
        String deaf = deploy(app.stage("3", "HEALTH=deaf")).getId();
        equal(get(deaf).getStatus().getReason(), DeploymentStatusReason.DEPLOYING, "status");
        CancelDeploymentRequest cancel = CancelDeploymentRequest.builder().deploymentId(deaf).build();
        answer(deployments.cancel(cancel));
        Deployment ended = finalized(deaf);
        equal(ended.getStatus().getReason(), DeploymentStatusReason.CANCELED, "outcome");
        String who = ended.getStatus().getDetails().get("canceled_by");
        equal(who, env("WINDLASS_USER"), "who canceled");
        app.serves("2");
        equal(app.currentDroplet(), second, "current droplet");
        var late = refused(ClientV3Exception.class, () -> answer(deployments.cancel(cancel)));
        equal(late.getStatusCode(), 422, "status of a cancel that comes too late");
    }

    private void untilStatus(String id, Object value, Object reason, Object step) {
        List<?> wanted = List.of(value, reason, step);
        waitFor("the status " + wanted, () -> Canaries.status(canaries.get(id)), wanted::equals);
    }

    private void continueCanary() {
        Map<?, ?> created = canaries.create(app.id(), app.first(), List.of(50, 100));
        String canary = (String) created.get("guid");
        equal(created.get("strategy"), "canary", "strategy");
        untilStatus(canary, "ACTIVE", "PAUSED", 1);
        equal(canaries.act(canary, "continue").get("guid"), canary, "what is answered");
        untilStatus(canary, "ACTIVE", "PAUSED", 2);
        canaries.act(canary, "continue");
        untilStatus(canary, "FINALIZED", "DEPLOYED", 2);
        app.serves("1");
        equal(app.currentDroplet(), app.first(), "current droplet");
    }

    private void cancelCanary() {
        app.allRun();
        String canary = (String) canaries.create(app.id(), second, List.of(50)).get("guid");
        untilStatus(canary, "ACTIVE", "PAUSED", 1);
        Map<?, ?> canceling = canaries.act(canary, "cancel");
        equal(Canaries.status(canceling), List.of("ACTIVE", "CANCELING", 1), "status");
        untilStatus(canary, "FINALIZED", "CANCELED", 1);
        app.serves("1");
        equal(app.currentDroplet(), app.first(), "current droplet");
    }
}

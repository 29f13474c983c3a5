package session;

import static session.Client.answer;
import static session.Session.relationship;
import static session.Session.to;
import static session.Steps.equal;
import static session.Steps.waitFor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Set;
import org.cloudfoundry.client.v3.BuildpackData;
import org.cloudfoundry.client.v3.Lifecycle;
import org.cloudfoundry.client.v3.LifecycleType;
import org.cloudfoundry.client.v3.builds.BuildState;
import org.cloudfoundry.client.v3.builds.CreateBuildRequest;
import org.cloudfoundry.client.v3.builds.GetBuildRequest;
import org.cloudfoundry.client.v3.droplets.DropletState;
import org.cloudfoundry.client.v3.droplets.GetDropletRequest;
import org.cloudfoundry.client.v3.packages.CreatePackageRequest;
import org.cloudfoundry.client.v3.packages.GetPackageRequest;
import org.cloudfoundry.client.v3.packages.PackageRelationships;
import org.cloudfoundry.client.v3.packages.PackageState;
import org.cloudfoundry.client.v3.packages.PackageType;
import org.cloudfoundry.client.v3.packages.Packages;
import org.cloudfoundry.client.v3.packages.UploadPackageRequest;

/** From files to a droplet. */
record Staging(Client client, String app) {

    /** Package, upload, build; the droplet's guid. */
    String stage(String version, String configuration) {
        String built = build(upload(version, configuration));
        GetDropletRequest get = GetDropletRequest.builder().dropletId(built).build();
        var droplet = answer(client.cf.droplets().get(get));
        equal(droplet.getState(), DropletState.STAGED, "state of the droplet");
        equal(droplet.getProcessTypes().keySet(), Set.of("task", "web", "worker"), "process types");
        return droplet.getId();
    }

    private String upload(String version, String configuration) {
        Packages packages = client.cf.packages();
        CreatePackageRequest create =
                CreatePackageRequest.builder()
                        .type(PackageType.BITS)
                        .relationships(PackageRelationships.builder().application(to(app)).build())
                        .build();
        var created = answer(packages.create(create));
        String id = created.getId();
        equal(created.getState(), PackageState.AWAITING_UPLOAD, "state of a new package");
        try {
            var bits = Bits.zip(version, configuration);
            var upload = UploadPackageRequest.builder().packageId(id).bits(bits).build();
            answer(packages.upload(upload));
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
        GetPackageRequest get = GetPackageRequest.builder().packageId(id).build();
        var ready =
                waitFor(
                        "the package",
                        () -> answer(packages.get(get)),
                        now -> now.getState() != PackageState.PROCESSING_UPLOAD);
        equal(ready.getState(), PackageState.READY, "state of the package");
        return id;
    }

    private String build(String bits) {
        BuildpackData buildpacks = BuildpackData.builder().buildpack("binary_buildpack").build();
        Lifecycle lifecycle = Lifecycle.builder().type(LifecycleType.BUILDPACK).data(buildpacks).build();
        CreateBuildRequest create =
                CreateBuildRequest.builder().getPackage(relationship(bits)).lifecycle(lifecycle).build();
        var build = answer(client.cf.builds().create(create));
        equal(build.getState(), BuildState.STAGING, "state of a new build");
        GetBuildRequest get = GetBuildRequest.builder().buildId(build.getId()).build();
        var staged =
                waitFor(
                        "the build",
                        () -> answer(client.cf.builds().get(get)),
                        now -> now.getState() != BuildState.STAGING);
        equal(staged.getState(), BuildState.STAGED, "the build: " + staged.getError());
        return staged.getDroplet().getId();
    }
}

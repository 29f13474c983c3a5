// Rolling releases by the SDK.
import assert from 'node:assert/strict';
import { vercel } from './client.mjs';
import { deploy, get, ready } from './deployments.mjs';
import { refused, step, until } from './steps.mjs';

/** Sets the stages: the call without the SDK, whose method sends no body. */
function configure(project, config) {
  const path = `/v1/projects/${project.id}/rolling-release/config`;
  return fetch(process.env.WINDLASS_VERCEL_API + path, {
    method: 'PATCH',
    headers: {
      authorization: `Bearer ${process.env.VERCEL_TOKEN}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(config),
  });
}

/** `current` serves the project and does at the end. */
export async function rollingReleases(project, current) {
  const idOrName = project.id;
  const rolling = vercel.rollingRelease;
  const requestBody = {
    enabled: true,
    advancementType: 'manual-approval',
    stages: [
      { targetPercentage: 10, requireApproval: true },
      { targetPercentage: 60, requireApproval: true },
      { targetPercentage: 100 },
    ],
  };

  await step('stages of rolling releases', async () => {
    const { rollingRelease: none } = await rolling.getRollingReleaseConfig({ idOrName });
    assert.equal(none, null);
    assert.equal((await configure(project, requestBody)).status, 200);
    // Without a body nothing changes; the method has no way to give one.
    await rolling.updateRollingReleaseConfig({ idOrName });
    const { rollingRelease: config } = await rolling.getRollingReleaseConfig({ idOrName });
    assert.deepEqual(
      config.stages.map((stage) => stage.targetPercentage),
      [10, 60, 100],
    );
    const falling = { ...requestBody, stages: [...requestBody.stages].reverse() };
    assert.equal((await configure(project, falling)).status, 400);
    await rolling.getRollingReleaseBillingStatus({ idOrName });
  });

  const canary = await step('a deployment rolls, is aborted and started by hand', async () => {
    const made = await deploy('four', { target: 'production' });
    await ready(made.id);
    assert.equal((await get(made.id)).readySubstate, 'ROLLING');
    await vercel.projects.requestRollback({ projectId: project.id, deploymentId: current.id });
    assert.equal((await get(made.id)).readySubstate, 'STAGED');
    const start = () =>
      rolling.startRollingRelease({ idOrName, requestBody: { canaryDeploymentId: made.id } });
    await start();
    const { rollingRelease: again } = await start();
    assert.equal(again.activeStage.index, 0);
    assert.equal((await get(made.id)).readySubstate, 'ROLLING');
    return made.id;
  });

  await step('its next stage, once', async () => {
    const approve = { canaryDeploymentId: canary, nextStageIndex: 1 };
    const { rollingRelease } = await rolling.approveRollingReleaseStage({
      idOrName,
      requestBody: approve,
    });
    assert.equal(rollingRelease.activeStage.targetPercentage, 60);
    const again = rolling.approveRollingReleaseStage({ idOrName, requestBody: approve });
    assert.equal(await refused(again), 409);
  });

  await step('its end', async () => {
    const { rollingRelease } = await rolling.completeRollingRelease({
      idOrName,
      requestBody: { canaryDeploymentId: canary },
    });
    assert.equal(rollingRelease.state, 'COMPLETE');
    assert.equal((await get(canary)).readySubstate, 'PROMOTED');
    assert.ok((await get(canary)).alias.includes('sdk.apps.localhost'));
  });

  await step('a promotion rolls, and is aborted', async () => {
    await vercel.projects.requestPromote({ projectId: project.id, deploymentId: current.id });
    const active = await until('a canary', async () => {
      const { rollingRelease } = await rolling.getRollingRelease({ idOrName, state: 'ACTIVE' });
      return rollingRelease;
    });
    assert.equal(active.canaryDeployment.id, current.id);
    await vercel.projects.requestRollback({ projectId: project.id, deploymentId: canary });
    const { rollingRelease } = await rolling.getRollingRelease({ idOrName });
    assert.equal(rollingRelease.state, 'ABORTED');
    assert.ok((await get(canary)).alias.includes('sdk.apps.localhost'));
    await rolling.deleteRollingReleaseConfig({ idOrName });
    await vercel.projects.requestPromote({ projectId: project.id, deploymentId: current.id });
    assert.equal((await get(current.id)).readySubstate, 'PROMOTED');
  });
}

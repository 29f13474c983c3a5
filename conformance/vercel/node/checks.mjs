// Checks by the SDK: they hold the hosts of a deployment back.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { vercel } from './client.mjs';
import { deploy, get, ready } from './deployments.mjs';
import { refused, step, until } from './steps.mjs';

/** A build that goes on when it is let: it asks this server, which answers then. */
async function gate() {
  const waiting = [];
  const server = createServer((_, response) => waiting.push(response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${server.address().port}/`;
  return {
    settings: { buildCommand: `node -e "fetch('${url}').then(() => 0)"`, outputDirectory: '.' },
    async open() {
      await until('the build', () => waiting.length > 0);
      for (const response of waiting) response.end();
      server.close();
    },
  };
}

/** A deployment that is ready and held back by a check that has not ended. */
async function heldBack(text) {
  const { settings, open } = await gate();
  const made = await deploy(text, { target: 'production', projectSettings: settings });
  const check = await vercel.checks.createCheck({
    deploymentId: made.id,
    requestBody: { name: 'links', blocking: true, rerequestable: true },
  });
  await open();
  await until('a deployment without its hosts', async () => {
    const found = await get(made.id);
    assert.ok(!['ERROR', 'CANCELED'].includes(found.readyState), found.errorMessage);
    return found.readyState === 'READY';
  });
  return { deploymentId: made.id, checkId: check.id };
}

export async function checks() {
  const serves = async (id) => (await get(id)).alias.includes('sdk.apps.localhost');

  await step('a check that succeeds lets a deployment have its hosts', async () => {
    const held = await heldBack('five');
    const before = await get(held.deploymentId);
    assert.equal(before.checksState, 'registered');
    assert.equal(before.aliasAssigned, false);
    const cancel = vercel.deployments.cancelDeployment({ id: held.deploymentId });
    assert.equal(await refused(cancel), 400);
    await vercel.checks.updateCheck({ ...held, requestBody: { status: 'running' } });
    assert.equal((await get(held.deploymentId)).checksState, 'running');
    await vercel.checks.rerequestCheck(held);
    assert.equal((await get(held.deploymentId)).checksState, 'registered');
    const requestBody = { status: 'completed', conclusion: 'succeeded' };
    await vercel.checks.updateCheck({ ...held, requestBody });
    const found = await ready(held.deploymentId);
    assert.equal(found.checksState, 'completed');
    assert.equal(found.checksConclusion, 'succeeded');
    assert.ok(await serves(held.deploymentId));
    const { checks: all } = await vercel.checks.getAllChecks(held);
    assert.deepEqual(
      all.map((check) => check.conclusion),
      ['succeeded'],
    );
    assert.equal((await vercel.checks.getCheck(held)).status, 'completed');
  });

  await step('one that fails keeps them from it', async () => {
    const held = await heldBack('six');
    await vercel.checks.updateCheck({
      ...held,
      requestBody: { status: 'completed', conclusion: 'failed' },
    });
    const found = await until('the refusal of its hosts', async () => {
      const shown = await get(held.deploymentId);
      return shown.aliasError && shown;
    });
    assert.equal(found.checksConclusion, 'failed');
    assert.equal(found.readyState, 'READY');
    assert.equal(found.readySubstate, 'STAGED');
    assert.equal(await serves(held.deploymentId), false);
    assert.equal(await refused(vercel.checks.rerequestCheck(held)), 400);
  });

  await step('a cancel ends those of a build', async () => {
    const { settings } = await gate();
    const made = await deploy('seven', { target: 'production', projectSettings: settings });
    const { id } = await vercel.checks.createCheck({
      deploymentId: made.id,
      requestBody: { name: 'links', blocking: true },
    });
    const canceled = await vercel.deployments.cancelDeployment({ id: made.id });
    assert.equal(canceled.checksConclusion, 'canceled');
    const check = await vercel.checks.getCheck({ deploymentId: made.id, checkId: id });
    assert.equal(check.conclusion, 'canceled');
  });
}

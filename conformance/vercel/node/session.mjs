// Calls of the SDK one after the other. It checks each answer against its models and throws where
// one does not fit. Prints a line a step; at the end `null` for what ran it.
import assert from 'node:assert/strict';
import { checks } from './checks.mjs';
import { vercel } from './client.mjs';
import { deploy, get, ready } from './deployments.mjs';
import { rollingReleases } from './rolling.mjs';
import { refused, step, until } from './steps.mjs';

const user = await step('user', async () => (await vercel.user.getAuthUser()).user);
const team = await step('teams', async () => {
  const { teams } = await vercel.teams.getTeams({});
  assert.equal(teams.length, 1);
  const found = await vercel.teams.getTeam({ teamId: teams[0].id });
  assert.equal(found.slug, 'main');
  assert.equal(user.defaultTeamId, teams[0].id);
  return teams[0];
});

await step('tokens', async () => {
  const made = await vercel.authentication.createAuthToken({ requestBody: { name: 'second' } });
  assert.ok(made.bearerToken);
  const { tokens } = await vercel.authentication.listAuthTokens();
  assert.ok(tokens.some((token) => token.id === made.token.id));
  await vercel.authentication.deleteAuthToken({ tokenId: made.token.id });
});

const project = await step('projects', async () => {
  const made = await vercel.projects.createProject({ requestBody: { name: 'sdk' } });
  const { projects } = await vercel.projects.getProjects({});
  assert.ok(projects.some((one) => one.id === made.id));
  await vercel.projects.updateProject({
    idOrName: made.id,
    requestBody: { nodeVersion: '22.x' },
  });
  return made;
});

await step('variables', async () => {
  await vercel.projects.createProjectEnv({
    idOrName: project.id,
    upsert: 'true',
    requestBody: { key: 'GREETING', value: 'hello', type: 'encrypted', target: ['production'] },
  });
  const { envs } = await vercel.projects.filterProjectEnvs({ idOrName: project.id });
  assert.equal(envs.length, 1);
  await vercel.projects.editProjectEnv({
    idOrName: project.id,
    id: envs[0].id,
    requestBody: { value: 'good morning' },
  });
  const one = await vercel.projects.getProjectEnv({ idOrName: project.id, id: envs[0].id });
  assert.equal(one.value, 'good morning');
  await vercel.projects.removeProjectEnv({ idOrName: project.id, id: envs[0].id });
});

const first = await step('a deployment, from its creation to its hosts', async () => {
  const made = await deploy('one', { target: 'production' });
  assert.ok(['QUEUED', 'INITIALIZING', 'BUILDING', 'READY'].includes(made.readyState));
  const found = await ready(made.id);
  assert.equal(found.readyState, 'READY');
  assert.equal(found.readySubstate, 'PROMOTED');
  assert.equal(found.projectId, project.id);
  assert.equal((await get(found.url)).id, made.id);
  const events = await vercel.deployments.getDeploymentEvents({ idOrUrl: made.id });
  assert.ok(Array.isArray(events) && events.length > 0);
  return found;
});

const second = await step('a second one, and lists', async () => {
  const made = await deploy('two', { target: 'production', meta: { color: 'blue' } });
  await ready(made.id);
  const { deployments } = await vercel.deployments.getDeployments({ projectId: project.id });
  assert.deepEqual(
    deployments.map((one) => one.uid),
    [made.id, first.id],
  );
  return made;
});

await step('rollback and promote', async () => {
  await vercel.projects.requestRollback({ projectId: project.id, deploymentId: first.id });
  const hosts = (await get(first.id)).alias;
  assert.ok(hosts.includes('sdk.apps.localhost'), `${hosts}`);
  await vercel.projects.requestPromote({ projectId: project.id, deploymentId: second.id });
  const { aliases } = await vercel.projects.listPromoteAliases({ projectId: project.id });
  assert.ok(aliases.every((alias) => alias.status === 'succeeded'));
});

await step('aliases', async () => {
  const requestBody = { alias: 'other.apps.localhost' };
  const made = await vercel.aliases.assignAlias({ id: first.id, requestBody });
  const found = await vercel.aliases.getAlias({ idOrAlias: made.alias });
  assert.equal(found.deploymentId, first.id);
  const { aliases } = await vercel.aliases.listAliases({ projectId: project.id });
  assert.ok(aliases.some((alias) => alias.alias === made.alias));
  await vercel.aliases.listDeploymentAliases({ id: first.id });
  await vercel.aliases.deleteAlias({ aliasId: made.alias });
});

await step('what is over is not canceled', async () => {
  const cancel = (id, more = {}) => vercel.deployments.cancelDeployment({ id, ...more });
  assert.equal(await refused(cancel(first.id)), 400);
  assert.equal(await refused(cancel(`dpl_${'0'.repeat(28)}`)), 404);
  assert.equal(await refused(cancel(first.id, { slug: 'nobody' })), 403);
  assert.equal((await get(first.id)).readyState, 'READY');
});

await step('a build is canceled in the team that is named', async () => {
  const made = await deploy('three', {
    target: 'production',
    projectSettings: { buildCommand: 'sleep 7777', outputDirectory: '.' },
  });
  await until('the build', async () => (await get(made.id)).readyState === 'BUILDING');
  const canceled = await vercel.deployments.cancelDeployment({ id: made.id, teamId: team.id });
  assert.equal(canceled.readyState, 'CANCELED');
  assert.equal(canceled.status, 'CANCELED');
  assert.equal(canceled.type, 'LAMBDAS');
  assert.equal(canceled.version, 2);
  assert.ok(canceled.canceledAt >= canceled.createdAt);
  assert.deepEqual(canceled.alias, []);
  assert.equal((await get(made.id)).canceledAt, canceled.canceledAt);
  assert.ok((await get(second.id)).alias.includes('sdk.apps.localhost'));
});

await rollingReleases(project, second);
await checks();

await step('removal', async () => {
  await vercel.deployments.deleteDeployment({ id: first.id });
  assert.equal(await refused(get(first.id)), 404);
  await vercel.projects.deleteProject({ idOrName: project.id });
  assert.equal(await refused(vercel.projects.getProjects({ search: 'x', limit: 'many' })), 400);
});
console.log('null');
// Connections of builds that were canceled may be open still.
process.exit();

// Deployments of the project `sdk`.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { vercel } from './client.mjs';
import { until } from './steps.mjs';

export const get = (idOrUrl) => vercel.deployments.getDeployment({ idOrUrl });

/** Waits until a deployment has its aliases. */
export const ready = (id) =>
  until(`the end of ${id}`, async () => {
    const found = await get(id);
    assert.ok(!['ERROR', 'CANCELED'].includes(found.readyState), found.errorMessage);
    return found.aliasAssigned && found;
  });

/** Creates a deployment of one page. */
export async function deploy(text, more = {}) {
  const data = Buffer.from(text);
  const sha = createHash('sha1').update(data).digest('hex');
  await vercel.deployments.uploadFile({
    contentLength: data.length,
    xVercelDigest: sha,
    requestBody: data,
  });
  return vercel.deployments.createDeployment({
    skipAutoDetectionConfirmation: '1',
    requestBody: {
      name: 'sdk',
      project: 'sdk',
      files: [{ file: 'index.html', sha, size: data.length }],
      ...more,
    },
  });
}

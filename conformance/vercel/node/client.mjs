// The client of `@vercel/sdk`, which lies where the environment says.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.env.CLIENT_SDK, 'package.json'));
const { Vercel } = await import(pathToFileURL(require.resolve('@vercel/sdk')));

export const vercel = new Vercel({
  bearerToken: process.env.VERCEL_TOKEN,
  serverURL: process.env.WINDLASS_VERCEL_API,
});

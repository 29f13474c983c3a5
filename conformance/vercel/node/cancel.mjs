// cancel.mjs ID : cancels a deployment.
import { vercel } from './client.mjs';

const { readyState, status } = await vercel.deployments.cancelDeployment({ id: process.argv[2] });
console.log(JSON.stringify({ readyState, status }));

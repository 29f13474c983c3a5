// What sessions are made of: steps that print one line each, and waiting for a condition.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

const WAIT_LIMIT_MS = 600_000;

export async function step(name, work) {
  try {
    const value = await work();
    console.log(`ok     ${name}`);
    return value;
  } catch (error) {
    console.log(`FAILED ${name}`);
    throw error;
  }
}

/** The first true value of `probe`. */
export async function until(what, probe) {
  const end = Date.now() + WAIT_LIMIT_MS;
  while (Date.now() < end) {
    const value = await probe();
    if (value) return value;
    await pause(50);
  }
  throw new Error(`waited too long for ${what}`);
}

/** The status with which a call is refused. */
export async function refused(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error.statusCode, `${error}`);
    return error.statusCode;
  }
  throw new Error('not refused');
}

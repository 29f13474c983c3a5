// Between Node's requests and responses and those of the web.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

function address(request) {
  const proto = request.headers['x-forwarded-proto'] === 'http' ? 'http' : 'https';
  const host = request.headers['x-forwarded-host'] ?? request.headers.host ?? 'localhost';
  try {
    return new URL(`${proto}://${host}${request.url}`).href;
  } catch {
    return new URL(`${proto}://localhost${request.url}`).href;
  }
}

// The request as the web has it. It is aborted when the client goes away.
export function toRequest(request, response) {
  const headers = new Headers();
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    headers.append(request.rawHeaders[at], request.rawHeaders[at + 1]);
  }
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) {
      gone.abort();
    }
  });
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  return new Request(address(request), {
    method: request.method,
    headers,
    signal: gone.signal,
    ...(hasBody ? { body: Readable.toWeb(request), duplex: 'half' } : {}),
  });
}

// The cookies that an answer sets, one by one. Older releases of Node (that of Debian 12 is one)
// only give them joined by commas: there a new one begins where a name and `=` follow, which the
// date of an `expires` does not look like.
function cookiesOf(headers) {
  if (headers.getSetCookie) {
    return headers.getSetCookie();
  }
  const joined = headers.get('set-cookie');
  return joined === null ? [] : joined.split(/,\s*(?=[^\s;,=]+=)/);
}

// Sends what a handler answered, piece by piece.
export async function fromResponse(answer, request, response) {
  if (!Number.isInteger(answer?.status) || typeof answer.headers?.forEach !== 'function') {
    throw new TypeError('the handler answered with something that is no Response');
  }
  response.statusCode = answer.status;
  if (answer.statusText) {
    response.statusMessage = answer.statusText;
  }
  answer.headers.forEach((value, name) => {
    if (name !== 'set-cookie') {
      response.setHeader(name, value);
    }
  });
  const cookies = cookiesOf(answer.headers);
  if (cookies.length > 0) {
    response.setHeader('set-cookie', cookies);
  }
  if (!answer.body || request.method === 'HEAD') {
    await answer.body?.cancel();
    response.end();
    return;
  }
  response.flushHeaders();
  try {
    await pipeline(Readable.fromWeb(answer.body), response);
  } catch (error) {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') {
      throw error;
    }
    // The client went away.
  }
}

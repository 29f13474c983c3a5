// The process of one function: loads its module, serves it on a socket, and says when it is
// ready. Its only argument says what to load.

import { AsyncLocalStorage } from 'node:async_hooks';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { withHelpers } from './helpers.mjs';
import { namePrinter } from './printed.mjs';
import { fromResponse, toRequest } from './web.mjs';

const METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'PATCH'];
const NAME_HEADER = 'x-windlass-request';
// Levels of `default` that compilers leave.
const DEFAULTS = 5;
// A module that exports nothing may begin to listen so much later, milliseconds.
const LISTEN_MS = 1000;

const work = JSON.parse(process.argv[2]);
const file = path.join(work.directory, work.handler);
process.argv = [process.argv[0], file];

const context = new AsyncLocalStorage();
const finishLines = namePrinter(() => context.getStore()?.request);
// What goes on behind answers.
const pending = new Set();

globalThis[Symbol.for('@vercel/request-context')] = {
  get: () => context.getStore() ?? { waitUntil },
};

function waitUntil(task) {
  const promise = Promise.resolve(typeof task === 'function' ? task() : task)
    .catch((error) => console.error(error))
    .finally(() => pending.delete(promise));
  pending.add(promise);
}

let handle;

// The launcher says which request this is, so that what is printed meanwhile has its name. The
// function doesn't see that.
function named(request) {
  const name = request.headers[NAME_HEADER];
  delete request.headers[NAME_HEADER];
  for (let at = request.rawHeaders.length - 2; at >= 0; at -= 2) {
    if (request.rawHeaders[at].toLowerCase() === NAME_HEADER) {
      request.rawHeaders.splice(at, 2);
    }
  }
  return name;
}

const server = http.createServer((request, response) => {
  const store = { waitUntil, headers: request.headers, url: request.url, request: named(request) };
  response.once('close', () => finishLines(store.request));
  context.run(store, async () => {
    try {
      await handle(request, response);
    } catch (error) {
      fail(response, error);
    }
  });
});
// The other end decides when a connection is over.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.headersTimeout = 0;

function fail(response, error) {
  if (response.headersSent) {
    console.error(error);
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) {
    response.removeHeader(name);
  }
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  if (Number.isInteger(error?.badRequest)) {
    response.statusCode = error.badRequest;
    response.end(error.message);
    return;
  }
  console.error(error);
  response.statusCode = 500;
  response.setHeader('x-vercel-error', 'FUNCTION_INVOCATION_FAILED');
  response.setHeader('x-windlass-function-failed', 'FUNCTION_INVOCATION_FAILED');
  response.end('A server error has occurred\n\nFUNCTION_INVOCATION_FAILED\n');
}

// A module may bring its own server. It serves what arrives here; it never gets a port.
let adopted;
let adopt;
const listened = new Promise((resolve) => {
  adopt = resolve;
});

function takeOverServers() {
  http.Server.prototype.listen = function listen(...parameters) {
    adopted ??= this;
    const callback = parameters.find((parameter) => typeof parameter === 'function');
    if (callback) {
      this.once('listening', callback);
    }
    const port = parameters.find((parameter) => Number.isInteger(parameter)) ?? 3000;
    this.address = () => ({ address: '127.0.0.1', family: 'IPv4', port });
    process.nextTick(() => this.emit('listening'));
    adopt();
    return this;
  };
}

function isHandler(value) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
    return false;
  }
  return [...METHODS, 'fetch'].some((name) => typeof value[name] === 'function');
}

function exported(module) {
  let found = module;
  for (let level = 0; level < DEFAULTS && !isHandler(found) && found?.default != null; level += 1) {
    found = found.default;
  }
  return found;
}

function webHandler(answer) {
  return async (request, response) => {
    await fromResponse(await answer(toRequest(request, response)), request, response);
  };
}

function byMethod(handlers) {
  const own = (name) => {
    const handler = handlers[name];
    return typeof handler === 'function' ? (request) => handler.call(handlers, request) : undefined;
  };
  return webHandler((request) => {
    const handler = own(request.method) ?? (request.method === 'HEAD' ? own('GET') : undefined) ?? own('fetch');
    if (handler) {
      return handler(request);
    }
    const allow = METHODS.filter((name) => own(name)).join(', ');
    return new Response(null, { status: 405, headers: { allow } });
  });
}

async function handlerOf(module) {
  const found = exported(module);
  // A server that is also a function has no methods of the web: an application of a framework
  // has `get` and `post`, not `GET`.
  if (typeof found === 'function' && !METHODS.some((name) => typeof found[name] === 'function')) {
    if (work.web) {
      return webHandler((request) => found(request));
    }
    return async (request, response) => {
      const given = work.helpers ? await withHelpers(request, response) : request;
      await found(given, response);
    };
  }
  if (isHandler(found)) {
    return byMethod(found);
  }
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, LISTEN_MS);
  });
  await Promise.race([listened, late]);
  clearTimeout(timer);
  if (!adopted) {
    throw new Error(`${work.handler} exports no handler: neither a function, nor one of ${METHODS.join(', ')} or fetch`);
  }
  return (request, response) => {
    adopted.emit('request', request, response);
  };
}

async function stop() {
  server.close();
  while (pending.size > 0) {
    await Promise.allSettled(pending);
  }
  process.exit(0);
}

// The launcher decides when this process ends; it gets the signal too.
process.on('SIGTERM', () => {});
process.on('SIGINT', () => {});
process.on('message', (message) => {
  if (message?.stop) {
    stop();
  }
});
process.on('disconnect', () => process.exit(0));

await new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(work.socket, resolve);
});
process.chdir(work.directory);
takeOverServers();
handle = await handlerOf(await import(pathToFileURL(file).href));
process.send({ ready: true });

// Serves the functions of one deployment.
//
// Every function has a process of its own, started by its first request: a function that
// crashes, hangs or exits takes no other with it. This process only passes requests on. It
// never runs a line of the deployment itself.
//
// The router names the function of a request in a header. Environment:
//   PORT, WINDLASS_HOST      where to listen (port 0: the chosen one is printed)
//   WINDLASS_FUNCTIONS       directory with NAME.func directories
//   WINDLASS_SOCKETS         directory for sockets, relative to the working directory: the
//                            path of a socket must be short
//
// It prints a line when a request begins, `(NAME) METHOD HOST PATH`, and one when it is over,
// `(NAME) STATUS MILLISECONDSms`; what functions print is in printed.mjs.

import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { realpath, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';

const FUNCTION_HEADER = 'x-windlass-function';
// Says that an answer is none of the function's own, so that the site's page may take its place.
const FAILED_HEADER = 'x-windlass-function-failed';
// Carries the name of a request to its function.
const NAME_HEADER = 'x-windlass-request';
// Bytes of a request's body.
const BODY_BYTES = 4_500_000;
// Seconds for one request, when the function doesn't say.
const DEFAULT_SECONDS = 300;
const LONGEST_SECONDS = 900;
// Functions that run at the same time. Those idle for longest give way.
const PROCESSES = 16;
const SERVER_KEEP_ALIVE_MS = 75_000;

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const root = await realpath(process.env.WINDLASS_FUNCTIONS);
const sockets = process.env.WINDLASS_SOCKETS;
const program = fileURLToPath(new URL('function.mjs', import.meta.url));

// The host of the deployment itself, whichever one was asked.
const DEPLOYMENT_HEADER = 'x-vercel-deployment-url';
const deployment = process.env.VERCEL_URL;

// What a function sees of this process's environment.
const inherited = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => name !== 'PORT' && !name.startsWith('WINDLASS_'),
  ),
);

// Why a request got no answer of its function. The codes are public: clients match them.
class Failure extends Error {
  constructor(status, code, title) {
    super(code);
    this.status = status;
    this.code = code;
    this.title = title;
  }
}

const notFound = () => new Failure(404, 'NOT_FOUND', 'The page could not be found');
const failed = () => new Failure(500, 'FUNCTION_INVOCATION_FAILED', 'A server error has occurred');
const timedOut = () => new Failure(504, 'FUNCTION_INVOCATION_TIMEOUT', 'An error occurred with this application');
const throttled = () => new Failure(503, 'FUNCTION_THROTTLED', 'This application is too busy');
const tooLarge = () => new Failure(413, 'FUNCTION_PAYLOAD_TOO_LARGE', 'Request entity too large');

// The process of one function.
class Runner {
  static number = 0;

  constructor(directory, config) {
    this.directory = directory;
    this.seconds = seconds(config.maxDuration);
    this.requests = 0;
    this.usedAt = 0;
    // Nothing new is given to it.
    this.retired = false;
    this.socket = path.join(sockets, `f${Runner.number++}.sock`);
    const options = ['--enable-source-maps'].filter(() => config.shouldAddSourcemapSupport);
    if (Number.isInteger(config.memory) && config.memory > 0) {
      options.push(`--max-old-space-size=${config.memory}`);
    }
    const work = {
      socket: this.socket,
      directory,
      handler: config.handler,
      helpers: config.shouldAddHelpers === true,
      web: config.useWebApi === true,
    };
    this.child = fork(program, [JSON.stringify(work)], {
      env: { NODE_ENV: 'production', ...inherited, ...config.environment },
      execArgv: options,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.ended = new Promise((resolve) => {
      this.child.once('error', resolve);
      this.child.once('exit', resolve);
    }).then(() => {
      this.retired = true;
      return rm(this.socket, { force: true }).catch(() => {});
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (message) => message?.ready && resolve());
      this.ended.then(() => reject(failed()));
    });
    // It may end before anybody waits.
    this.ready.catch(() => {});
  }

  // A connection that the function has accepted.
  async connect() {
    await this.ready;
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.socket);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(socket);
      });
      socket.once('error', reject);
    });
  }

  release() {
    this.requests -= 1;
    this.usedAt = performance.now();
    if (this.retired && this.requests === 0) {
      // It hangs, or it is over already.
      this.child.kill('SIGKILL');
    }
  }

  // Lets it finish what it does behind its answers.
  stop() {
    this.retired = true;
    if (this.child.connected) {
      this.child.send({ stop: true }, () => {});
    }
    return this.ended;
  }
}

function seconds(value) {
  if (value === 'max') {
    return LONGEST_SECONDS;
  }
  return Number.isInteger(value) && value > 0 ? Math.min(value, LONGEST_SECONDS) : DEFAULT_SECONDS;
}

// Runners by directory: links to one function share its process.
const runners = new Map();

async function directoryOf(name) {
  const names = [name];
  try {
    names.push(decodeURIComponent(name));
  } catch {
    // It is no encoded name then.
  }
  for (const candidate of names) {
    if (candidate.includes('\0')) {
      continue;
    }
    try {
      const directory = await realpath(path.join(root, `${candidate}.func`));
      if (directory.startsWith(root + path.sep)) {
        return directory;
      }
    } catch {
      // Not this one.
    }
  }
  throw notFound();
}

async function runnerOf(directory) {
  const running = runners.get(directory);
  if (running && !running.retired) {
    return running;
  }
  let config;
  try {
    config = JSON.parse(await readFile(path.join(directory, '.vc-config.json'), 'utf8'));
  } catch (error) {
    console.error(`${path.relative(root, directory)}/.vc-config.json: ${error.message}`);
    throw failed();
  }
  // Another request may have been faster.
  const faster = runners.get(directory);
  if (faster && !faster.retired) {
    return faster;
  }
  makeRoom();
  const runner = new Runner(directory, config);
  runners.set(directory, runner);
  runner.ended.then(() => {
    if (runners.get(directory) === runner) {
      runners.delete(directory);
    }
  });
  return runner;
}

function makeRoom() {
  const live = [...runners.values()].filter((runner) => !runner.retired);
  if (live.length < PROCESSES) {
    return;
  }
  const idle = live.filter((runner) => runner.requests === 0);
  if (idle.length === 0) {
    throw throttled();
  }
  idle.reduce((oldest, runner) => (runner.usedAt < oldest.usedAt ? runner : oldest)).stop();
}

// A connection to a function. One that ends at this very moment is started again, once.
async function connection(directory, hold) {
  for (let attempt = 0; ; attempt += 1) {
    const runner = await runnerOf(directory);
    hold(runner);
    try {
      return await runner.connect();
    } catch (error) {
      if (error instanceof Failure || attempt > 0) {
        throw error instanceof Failure ? error : failed();
      }
      runner.retired = true;
    }
  }
}

function passedOn(raw, dropped) {
  const headers = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (!dropped(raw[at].toLowerCase())) {
      headers.push(raw[at], raw[at + 1]);
    }
  }
  return headers;
}

// What the router calls the request, if that is a plain word.
function nameOf(request) {
  const given = request.headers['x-request-id'];
  return /^[\w-]{1,64}$/.test(given ?? '') ? given : randomUUID();
}

// Says when a request begins and how it ended, for the log.
function note(named, request, response) {
  const began = performance.now();
  const host = request.headers.host ?? '-';
  // Without the query, which may hold secrets.
  const path = request.url.split('?', 1)[0];
  console.log(`(${named}) ${request.method} ${host} ${path}`);
  response.once('close', () => {
    const status = response.headersSent ? response.statusCode : '-';
    console.log(`(${named}) ${status} ${Math.round(performance.now() - began)}ms`);
  });
}

async function serve(request, response) {
  const name = request.headers[FUNCTION_HEADER];
  if (typeof name !== 'string' || name === '') {
    throw notFound();
  }
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES) {
    throw tooLarge();
  }
  const directory = await directoryOf(name);
  const named = nameOf(request);
  note(named, request, response);
  let held;
  let timer;
  let upstream;
  let end;
  const over = new Promise((resolve, reject) => {
    end = { resolve, reject };
  });
  const hold = (runner) => {
    held?.release();
    held = runner;
    held.requests += 1;
    timer ??= setTimeout(() => {
      held.retired = true;
      end.reject(timedOut());
    }, runner.seconds * 1000);
  };
  request.on('error', () => {});
  response.on('error', () => {});
  response.once('close', () => end.resolve());
  // The function broke off. Its process is about to end, or can't be trusted: the news of an exit
  // may come later than the next request, which must not be given to it.
  const lost = () => {
    held.retired = true;
    end.reject(failed());
  };
  const exchange = async () => {
    const socket = await connection(directory, hold);
    // Whoever uses it hears of its errors; later ones are nobody's.
    socket.on('error', () => {});
    if (response.destroyed) {
      socket.destroy();
      return;
    }
    const dropped = (header) =>
      HOP_BY_HOP.has(header) ||
      [FUNCTION_HEADER, NAME_HEADER, DEPLOYMENT_HEADER].includes(header);
    const headers = passedOn(request.rawHeaders, dropped);
    headers.push(NAME_HEADER, named);
    if (deployment) {
      headers.push(DEPLOYMENT_HEADER, deployment);
    }
    if (request.headers['transfer-encoding'] !== undefined) {
      headers.push('transfer-encoding', 'chunked');
    }
    upstream = http.request({
      createConnection: () => socket,
      method: request.method,
      path: request.url,
      headers,
      setHost: false,
    });
    upstream.on('error', lost);
    upstream.once('response', (answer) => {
      const kept = passedOn(answer.rawHeaders, (header) => HOP_BY_HOP.has(header));
      response.writeHead(answer.statusCode, answer.statusMessage, kept);
      response.flushHeaders();
      pipeline(answer, response, (error) => (error ? end.reject(failed()) : end.resolve()));
    });
    let bytes = 0;
    request.on('data', (piece) => {
      bytes += piece.length;
      if (bytes > BODY_BYTES) {
        end.reject(tooLarge());
      }
    });
    request.pipe(upstream);
  };
  exchange().catch(end.reject);
  try {
    await over;
  } finally {
    clearTimeout(timer);
    request.unpipe();
    // From here on it is we who break off.
    upstream?.off('error', lost).on('error', () => {}).destroy();
    held?.release();
  }
}

function refuse(response, error) {
  const failure = error instanceof Failure ? error : failed();
  if (!(error instanceof Failure)) {
    console.error(error);
  }
  if (response.headersSent) {
    // The client must not take a part for the whole.
    response.destroy();
    return;
  }
  response.writeHead(failure.status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-vercel-error': failure.code,
    [FAILED_HEADER]: failure.code,
    // The rest of the body is not read.
    connection: 'close',
  });
  response.end(`${failure.title}\n\n${failure.code}\n`);
}

let open = 0;
let stopping = false;

const server = http.createServer((request, response) => {
  open += 1;
  serve(request, response)
    .catch((error) => refuse(response, error))
    .finally(() => {
      open -= 1;
      if (stopping && open === 0) {
        finish();
      }
    });
});
server.keepAliveTimeout = SERVER_KEEP_ALIVE_MS;
// How long a request may take is up to its function.
server.requestTimeout = LONGEST_SECONDS * 1000;

async function finish() {
  await Promise.all([...runners.values()].map((runner) => runner.stop()));
  process.exit(0);
}

process.on('SIGTERM', () => {
  if (stopping) {
    return;
  }
  stopping = true;
  server.close();
  server.closeIdleConnections();
  if (open === 0) {
    finish();
  }
});

const port = Number(process.env.PORT);
server.listen(port, process.env.WINDLASS_HOST ?? '127.0.0.1', () => {
  if (port === 0) {
    console.log(server.address().port);
  }
});

// What functions find on their requests and responses beyond what Node gives them.

import { IncomingMessage } from 'node:http';
import querystring from 'node:querystring';

// Text of a content type without its parameters.
function essence(type) {
  return type.split(';', 1)[0].trim().toLowerCase();
}

// The whole body; the launcher bounds it.
async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

// The same request with its body still to be read, for handlers that read it themselves.
function again(request, body) {
  const copy = new IncomingMessage(request.socket);
  for (const name of ['httpVersion', 'httpVersionMajor', 'httpVersionMinor', 'method', 'url', 'rawHeaders']) {
    copy[name] = request[name];
  }
  copy.headers = request.headers;
  copy.complete = true;
  copy.push(body);
  copy.push(null);
  return copy;
}

function parsed(body, type) {
  if (type === undefined) {
    return undefined;
  }
  switch (essence(type)) {
    case 'application/json':
      if (body.length === 0) {
        return {};
      }
      try {
        return JSON.parse(body.toString('utf8'));
      } catch {
        throw Object.assign(new Error('Invalid JSON'), { badRequest: 400, statusCode: 400 });
      }
    case 'application/x-www-form-urlencoded':
      return { ...querystring.parse(body.toString('utf8')) };
    case 'application/octet-stream':
      return body;
    case 'text/plain':
      return body.toString('utf8');
    default:
      return undefined;
  }
}

function queryOf(url) {
  const query = {};
  for (const [name, value] of new URLSearchParams(url.split('?').slice(1).join('?'))) {
    if (!Object.hasOwn(query, name)) {
      query[name] = value;
    } else {
      query[name] = [].concat(query[name], value);
    }
  }
  return query;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function cookiesOf(header = '') {
  const cookies = {};
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(at, 0)).trim();
    if (name !== '' && !Object.hasOwn(cookies, name)) {
      cookies[name] = decoded(pair.slice(at + 1).trim().replace(/^"(.*)"$/, '$1'));
    }
  }
  return cookies;
}

// Computed when it is first looked at; handlers may also set it.
function lazy(request, name, compute) {
  const settled = (value) =>
    Object.defineProperty(request, name, { value, writable: true, configurable: true, enumerable: true });
  Object.defineProperty(request, name, {
    configurable: true,
    enumerable: true,
    get: () => {
      const value = compute();
      settled(value);
      return value;
    },
    set: settled,
  });
}

function send(response, body) {
  const typed = (type) => {
    if (!response.hasHeader('content-type')) {
      response.setHeader('content-type', type);
    }
  };
  let content;
  if (body === undefined || body === null) {
    content = Buffer.alloc(0);
  } else if (typeof body === 'string') {
    typed('text/html; charset=utf-8');
    content = Buffer.from(body);
  } else if (Buffer.isBuffer(body) || body instanceof Uint8Array) {
    typed('application/octet-stream');
    content = body;
  } else {
    return json(response, body);
  }
  if (response.statusCode === 204 || response.statusCode === 304) {
    response.removeHeader('content-type');
    response.end();
    return response;
  }
  response.setHeader('content-length', content.length);
  response.end(response.req.method === 'HEAD' ? undefined : content);
  return response;
}

function json(response, body) {
  if (!response.hasHeader('content-type')) {
    response.setHeader('content-type', 'application/json; charset=utf-8');
  }
  return send(response, JSON.stringify(body) ?? '');
}

function redirect(response, ...parameters) {
  const [status, url] = parameters.length === 1 ? [307, parameters[0]] : parameters;
  if (!Number.isInteger(status) || typeof url !== 'string') {
    throw new TypeError("redirect() takes a URL, or a status and a URL: redirect(307, '/there')");
  }
  response.writeHead(status, { location: url });
  response.end();
  return response;
}

// Gives a response its helpers, and returns the request with its own.
export async function withHelpers(request, response) {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  const body = hasBody ? await bodyOf(request) : Buffer.alloc(0);
  const given = hasBody ? again(request, body) : request;
  lazy(given, 'query', () => queryOf(given.url));
  lazy(given, 'cookies', () => cookiesOf(given.headers.cookie));
  lazy(given, 'body', () => parsed(body, given.headers['content-type']));
  response.req = given;
  response.status = (status) => {
    response.statusCode = status;
    return response;
  };
  response.send = (content) => send(response, content);
  response.json = (content) => json(response, content);
  response.redirect = (...parameters) => redirect(response, ...parameters);
  return given;
}

// What a function prints, line by line, with the request that it was printed for.
//
// A line of a function begins with `[NAME] `, where NAME is `-` outside of requests. Behind the name
// stand `warning` for a warning and `more` for a line that was printed in one with the line before.
// What is written without Node's own streams has no such beginning.

// Characters that wait for the end of their line.
const LINE_LIMIT = 16_384;
// Beginnings of lines that wait at the same time; the oldest is written out before there are more.
const WAITING = 100;

let level;

// From here on lines of the standard streams carry the name that `current` gives. The answer ends
// the lines that a name has begun.
export function namePrinter(current) {
  const finish = [process.stdout, process.stderr].map((stream) => takeOver(stream, current));
  const { warn } = console;
  console.warn = (...parameters) => {
    level = 'warning';
    try {
      warn.apply(console, parameters);
    } finally {
      level = undefined;
    }
  };
  return (name) => finish.forEach((one) => one(name));
}

function takeOver(stream, current) {
  const write = stream.write.bind(stream);
  // Beginnings of lines, by their tag.
  const waiting = new Map();
  const flush = (tag) => {
    const text = waiting.get(tag);
    waiting.delete(tag);
    if (text) {
      write(`${tag}${text}\n`);
    }
  };
  stream.write = (chunk, encoding, callback) => {
    const done = typeof encoding === 'function' ? encoding : callback;
    const coding = typeof encoding === 'string' ? encoding : 'utf8';
    const text = typeof chunk === 'string' ? Buffer.from(chunk, coding).toString() : Buffer.from(chunk).toString();
    const words = [current() ?? '-', level].filter(Boolean).join(' ');
    const tag = `[${words}] `;
    const lines = `${waiting.get(tag) ?? ''}${text}`.split('\n');
    const rest = lines.pop();
    waiting.delete(tag);
    const whole = lines.map((line, at) => `${at === 0 ? tag : `[${words} more] `}${line}\n`).join('');
    if (rest !== '') {
      waiting.set(tag, rest);
    }
    if (rest.length > LINE_LIMIT) {
      flush(tag);
    }
    if (waiting.size > WAITING) {
      flush(waiting.keys().next().value);
    }
    if (whole === '') {
      if (done) {
        process.nextTick(done);
      }
      return true;
    }
    return write(whole, done);
  };
  process.on('exit', () => [...waiting.keys()].forEach(flush));
  return (name) => {
    const own = [...waiting.keys()].filter((tag) => tag.startsWith(`[${name}]`) || tag.startsWith(`[${name} `));
    own.forEach(flush);
  };
}

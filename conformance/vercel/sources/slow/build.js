// A build that never ends by itself: it ignores SIGTERM, and a process of it leaves its session.
const { spawn } = require('node:child_process');

const forever = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);";
spawn(process.execPath, ['-e', forever, 'windlass-slow-build'], {
  detached: true,
  stdio: 'ignore',
});
process.on('SIGTERM', () => {});
setInterval(() => {}, 1000);
console.log('the build waits');

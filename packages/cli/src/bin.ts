#!/usr/bin/env node
import { commands } from './index.js';
import { main } from './main.js';

const abort = new AbortController();
let interrupts = 0;
// The first Ctrl-C asks to save and stop, the second one kills.
const interrupt = (): void => {
  interrupts += 1;
  if (interrupts > 1) process.exit(130);
  abort.abort(new DOMException('Interrupted.', 'AbortError'));
};
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);

// `tesserae inspect … | head` closes its end early; there is nobody left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

// No top-level await: the package is also built for require().
void main(process.argv.slice(2), {
  commands,
  stdout: process.stdout,
  stderr: process.stderr,
  now: () => performance.now(),
  environment: process.env,
  workingFolder: process.cwd(),
  signal: abort.signal,
  version: '0.1.0',
}).then((code) => {
  process.exitCode = code;
});

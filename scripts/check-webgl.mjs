// Runs the conformance suite on TensorFlow.js's WebGL in a headless Chromium, without a GPU through SwiftShader, and prints what fails.
// Some minutes of software rendering: not part of `npm test`. Where there is no Chromium it says so.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const page = `
import { runConformance } from '@tesserae/core/conformance';
import { createTfjsBackend } from '@tesserae/backend-tfjs-gpu';
const send = (value) => fetch('/result', { method: 'POST', body: JSON.stringify(value) });
try {
  const backend = await createTfjsBackend({ device: 'webgl' });
  const results = await runConformance(backend);
  await send({ description: backend.description, cases: results.length, failed: results.filter(({ status }) => status !== 'passed') });
} catch (error) {
  await send({ error: error instanceof Error ? error.stack : String(error) });
}`;

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
/** Software rendering of some 570 graphs took 110 s on two busy cores. */
const longest = 10 * 60_000;

async function bundle() {
  const resolveDir = fileURLToPath(new URL('../packages/backend-tfjs-gpu', import.meta.url));
  const { outputFiles } = await build({
    stdin: { contents: page, resolveDir },
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    conditions: ['tesserae-source'],
    bundle: true,
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}

/** What the page sends back. */
async function runPage(script) {
  const profile = await mkdtemp(join(tmpdir(), 'tesserae-webgl-'));
  let browser;
  let [resolve, reject] = [(_) => undefined, (_) => undefined];
  const result = new Promise((onResult, onFailure) => {
    [resolve, reject] = [onResult, onFailure];
  });
  const server = createServer((request, response) => {
    if (request.url === '/result') {
      const pieces = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', () => {
        response.end();
        resolve(JSON.parse(Buffer.concat(pieces).toString()));
      });
      return;
    }
    response.setHeader('content-type', request.url === '/page.js' ? 'text/javascript' : 'text/html');
    response.end(request.url === '/page.js' ? script : '<script type="module" src="/page.js"></script>');
  });
  const timer = setTimeout(() => reject(new Error(`The browser gave no result within ${longest / 60_000} minutes.`)), longest);
  try {
    await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
    const flags = ['--headless', '--no-sandbox', '--disable-dev-shm-usage', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'];
    browser = spawn(chromium, [...flags, `--user-data-dir=${profile}`, `http://127.0.0.1:${server.address().port}/`], { stdio: 'ignore' });
    browser.on('error', reject);
    browser.on('exit', (code) => reject(new Error(`The browser ended (${code}).`)));
    return await result;
  } finally {
    clearTimeout(timer);
    browser?.removeAllListeners('exit');
    browser?.kill();
    server.close();
    server.closeAllConnections();
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

if (chromium === undefined) {
  process.stdout.write('skipped: no Chromium here (Debian: apt-get install chromium)\n');
} else {
  const result = await runPage(await bundle());
  if (result.error !== undefined) {
    process.stderr.write(`${result.error}\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${result.description}: ${result.cases - result.failed.length} of ${result.cases} conformance cases passed\n`);
    for (const failure of result.failed) process.stderr.write(`${JSON.stringify(failure)}\n`);
    if (result.failed.length > 0 || result.cases < 300) process.exitCode = 1;
  }
}

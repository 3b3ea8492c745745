#!/usr/bin/env node
// The README's commands on a fresh clone with only Node and npm: installs (and builds) what is missing, then
// runs. pnpm comes through npx at the pinned version: neither a global pnpm nor corepack is needed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [task, ...rest] = process.argv.slice(2);
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function run(command, args, { quiet = false } = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: quiet ? ['inherit', 'pipe', 'inherit'] : 'inherit', shell: process.platform === 'win32' });
  if (result.status !== 0) {
    if (quiet) process.stderr.write(result.stdout ?? '');
    process.exit(result.status ?? 1);
  }
}

function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(
    0,
    ...readdirSync(path)
      .filter((name) => name !== 'node_modules')
      .map((name) => newest(join(path, name))),
  );
}

function install() {
  const installed = join(root, 'node_modules', '.modules.yaml');
  if (existsSync(installed) && newest(join(root, 'pnpm-lock.yaml')) <= newest(installed)) return;
  process.stderr.write('Installing dependencies…\n');
  // onnxruntime-node's own script would download CUDA libraries that nothing here uses.
  process.env.ONNXRUNTIME_NODE_INSTALL = 'skip';
  run('npx', ['--yes', packageManager, 'install', '--frozen-lockfile'], { quiet: true });
}

function build({ always = false } = {}) {
  const packages = readdirSync(join(root, 'packages'));
  const stale = packages.some((name) => newest(join(root, 'packages', name, 'dist', 'index.js')) < newest(join(root, 'packages', name, 'src')));
  if (!stale && !always) return;
  process.stderr.write('Building…\n');
  run('npx', ['--yes', packageManager, '-r', '--sort', 'run', 'build'], { quiet: true });
}

const local = (name) => join(root, 'node_modules', '.bin', name);

switch (task) {
  case 'test':
    install();
    run(local('vitest'), ['run', ...rest]);
    break;
  case 'build':
    install();
    build({ always: true });
    break;
  case 'demo':
    install();
    build();
    run(process.execPath, [join(root, 'packages/cli/dist/bin.js'), 'generate', ...rest, '--model', join(root, 'models/scenes'), '--candidates', '4', '--rerank', '--out', 'out']);
    break;
  default:
    process.stderr.write('usage: node scripts/bootstrap.mjs test|build|demo [arguments]\n');
    process.exit(2);
}

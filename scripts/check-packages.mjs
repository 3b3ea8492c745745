#!/usr/bin/env node
// What users would get from npm: every package is packed as for publishing, then publint and arethetypeswrong look at it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'tesserae-pack-'));
let failed = 0;

function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (result.status === 0) return true;
  process.stdout.write(`${command} ${args.join(' ')}\n${result.stdout}${result.stderr}\n`);
  return false;
}

try {
  for (const name of readdirSync(join(root, 'packages'))) {
    const directory = join(root, 'packages', name);
    const packed = run('npx', ['--yes', packageManager, 'pack', '--pack-destination', folder], directory);
    const tarball = readdirSync(folder).find((file) => file.startsWith(`tesserae-${name}-`));
    const fine =
      packed &&
      tarball !== undefined &&
      run(join(root, 'node_modules/.bin/publint'), ['run', join(folder, tarball), '--strict'], directory) &&
      run(join(root, 'node_modules/.bin/attw'), [join(folder, tarball), '--profile', 'node16', '--format', 'ascii'], directory);
    process.stdout.write(`${fine ? 'ok    ' : 'FAILED'} @tesserae/${name}\n`);
    if (!fine) failed += 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const packages = readdirSync(join(root, 'packages')).length;
process.stdout.write(`${packages - failed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

#!/usr/bin/env node
// The import rule of the architecture (docs/architecture.md): packages import only downward, core's folders are floors,
// and nothing of Node is imported outside the places that are for Node.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** package → packages it may import. */
export const packageRules = {
  core: [],
  'backend-onnx': ['core'],
  'backend-tfjs-gpu': ['core'],
  dvae: ['core'],
  transformer: ['core'],
  clip: ['core'],
  plugins: ['core'],
  importers: ['core', 'dvae', 'transformer', 'clip'],
  datasets: ['core'],
  cli: ['core', 'backend-onnx', 'backend-tfjs-gpu', 'dvae', 'transformer', 'clip', 'plugins', 'importers', 'datasets'],
};

/** Folders of core, lowest first: each may import from itself and those before it. */
export const coreFloors = [
  'errors',
  'tensor',
  'random',
  'graph',
  'ops',
  'autodiff',
  'passes',
  'analysis',
  'backend',
  'modules',
  'weights',
  'training',
  'models',
  'generation',
  'node',
  'test',
];

/** Where Node's own modules may be imported. */
const nodePlaces = [/^packages\/cli\//, /\/src\/node\//, /\.test\.ts$/, /\/bench\//, /tsup\.config\.ts$/];

/** Problems of one source file, as lines. `path` is relative to the repository, with slashes. */
export function checkSource(path, source) {
  const problems = [];
  const [, owner] = /^packages\/([^/]+)\/src\//.exec(path) ?? [];
  if (owner === undefined) return problems;
  const isTest = /\.test(-d)?\.ts$|\/__fixtures__\//.test(path);
  const specifiers = [...source.matchAll(/^\s*(?:import|export)\s[^;]*?from\s+'([^']+)'|import\('([^']+)'\)|^import\s+'([^']+)'/gm)].map(
    (match) => match[1] ?? match[2] ?? match[3],
  );
  for (const specifier of specifiers) {
    const [, target] = /^@tesserae\/([^/]+)/.exec(specifier) ?? [];
    // Tests may run what they test on any engine.
    const isEngineOfTest = isTest && target?.startsWith('backend-');
    if (target !== undefined && target !== owner && !isEngineOfTest && !(packageRules[owner] ?? []).includes(target)) {
      problems.push(`${path}: ${owner} may not import ${target} (allowed: ${(packageRules[owner] ?? []).join(', ') || 'nothing'})`);
    }
    if (specifier.startsWith('node:') && !nodePlaces.some((place) => place.test(path))) {
      problems.push(`${path}: '${specifier}' is Node's; keep it in a node/ folder so that the rest runs in browsers`);
    }
    const [, floor] = /^packages\/core\/src\/([^/]+)\//.exec(path) ?? [];
    if (floor !== undefined && specifier.startsWith('.') && !isTest) {
      const [, imported] = /^packages\/core\/src\/([^/]+)\//.exec(join(dirname(path), specifier).split(sep).join('/')) ?? [];
      if (imported !== undefined && imported !== floor && coreFloors.indexOf(imported) > coreFloors.indexOf(floor)) {
        problems.push(`${path}: core/${floor} lies below core/${imported} and may not import it`);
      }
    }
  }
  return problems;
}

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== 'node_modules' && entry.name !== 'dist' && entry.name !== '__fixtures__') yield* sources(path);
    } else if (/\.m?ts$/.test(entry.name)) yield path;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  const problems = [...sources(join(root, 'packages'))].flatMap((path) => checkSource(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')));
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.stdout.write(problems.length === 0 ? 'imports follow the architecture\n' : `${problems.length} imports break the architecture\n`);
  process.exit(problems.length === 0 ? 0 : 1);
}

import { describe, expect, it } from 'vitest';
// @ts-expect-error a plain script without types
import { checkSource } from './check-imports.mjs';

const check = checkSource as (path: string, source: string) => string[];

describe('the import rule', () => {
  it('lets packages import downward', () => {
    expect(check('packages/dvae/src/loss.ts', "import { add } from '@tesserae/core';")).toEqual([]);
  });
  it('finds a model that imports an engine', () => {
    expect(check('packages/dvae/src/loss.ts', "import { x } from '@tesserae/backend-onnx';")[0]).toContain('dvae may not import backend-onnx');
  });
  it("finds Node's modules where browsers go", () => {
    expect(check('packages/core/src/weights/a.ts', "import { readFile } from 'node:fs/promises';")[0]).toContain('keep it in a node/ folder');
    expect(check('packages/core/src/node/a.ts', "import { readFile } from 'node:fs/promises';")).toEqual([]);
  });
  it('finds a lower floor of core that imports a higher one', () => {
    expect(check('packages/core/src/graph/a.ts', "import { add } from '../ops/index.js';")[0]).toContain('core/graph lies below core/ops');
    expect(check('packages/core/src/ops/a.ts', "import { apply } from '../graph/index.js';")).toEqual([]);
  });
});

import { defineConfig } from 'vitest/config';

// Tests read the packages' sources: no build is needed. Node tests resolve through `ssr`, browser-like ones through `resolve`.
const conditions = ['tesserae-source', 'import', 'module', 'node', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});

import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'rerank/index': 'src/rerank/index.ts',
    'image-prefix/index': 'src/image-prefix/index.ts',
    'tiling/index': 'src/tiling/index.ts',
  },
  format: ['esm', 'cjs'],
  dts: true,
  sourcemap: true,
  clean: true,
  target: 'es2022',
  treeshake: true,
});

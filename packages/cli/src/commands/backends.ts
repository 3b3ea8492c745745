import { add, float32Array, matMul, trace } from '@tesserae/core';
import { backendRegistry } from '../backends.js';
import type { Command } from '../command.js';

/** Devices worth trying for each backend. */
const devices: Readonly<Record<string, readonly string[]>> = { onnx: ['cpu', 'webgpu'], 'tfjs-gpu': ['webgpu', 'wasm', 'cpu'], reference: ['cpu'] };

export const backendsCommand: Command = {
  name: 'backends',
  summary: 'Shows which engines and devices work on this machine, by running a small graph on each.',
  usage: 'backends',
  options: {},
  async run({ output }) {
    const found: { backend: string; device: string; works: boolean; detail: string }[] = [];
    for (const [name, create] of Object.entries(backendRegistry)) {
      for (const device of devices[name] ?? []) {
        try {
          const backend = await create({ device });
          const graph = trace('probe', (scope) => {
            const x = scope.input('x', [2, 2]);
            scope.output('y', add(matMul(x, x), 1));
          });
          const program = await backend.compile(graph);
          const { y } = await program.run({ x: float32Array([2, 2], [1, 2, 3, 4]) });
          const works = Array.from(y?.data ?? []).join() === '8,11,16,23';
          found.push({ backend: name, device, works, detail: works ? backend.description : 'gives wrong results' });
          program.dispose();
          await backend.dispose();
        } catch (cause) {
          found.push({ backend: name, device, works: false, detail: cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause) });
        }
      }
    }
    for (const { backend, device, works, detail } of found) output.print(`${works ? 'yes' : 'no '}  ${backend.padEnd(10)} ${device.padEnd(8)} ${detail}`);
    return { backends: found };
  },
};

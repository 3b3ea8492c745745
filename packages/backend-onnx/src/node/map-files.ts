import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { MappedSessions } from '../backend.js';
import type { OnnxRuntime } from '../runtime.js';

/**
 * ONNX Runtime maps external data only for a model that is a file, and looks for the data beside it: the model goes to
 * a temporary folder with links to the weights' files, which is removed as soon as the session holds its mappings.
 */
export function mapFiles(runtime: OnnxRuntime): MappedSessions {
  const names = new Map<string, string>();
  const reference = (path: string): string => {
    const absolute = resolve(path);
    const known = names.get(absolute) ?? `weights-${names.size}.safetensors`;
    names.set(absolute, known);
    return known;
  };
  return {
    reference,
    async open(model, paths, options) {
      const folder = await mkdtemp(join(tmpdir(), 'tesserae-'));
      try {
        for (const path of paths) await symlink(resolve(path), join(folder, reference(path)));
        const file = join(folder, 'model.onnx');
        await writeFile(file, model);
        // Packing would copy every weight, which mapping is there to avoid.
        return await runtime.InferenceSession.create(file, { ...options, extra: { ...options.extra, session: { disable_prepacking: '1' } } });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

import { realpathSync } from 'node:fs';
import { relative, sep } from 'node:path';
import type { MappedSessions } from '../backend.js';
import type { OnnxRuntime } from '../runtime.js';

/** The innermost folder that holds all files, which are absolute; undefined for files on different drives. */
function commonFolder(files: readonly string[]): string | undefined {
  const [first = [], ...rest] = files.map((file) => file.split(sep).slice(0, -1));
  const parting = first.findIndex((part, depth) => rest.some((parts) => parts[depth] !== part));
  const shared = parting < 0 ? first : first.slice(0, parting);
  return shared.length === 0 ? undefined : `${shared.join(sep)}${sep}`;
}

/**
 * Weights as external data of a model that is in memory. ONNX Runtime maps them where it finds them below the folder it
 * is told, and refuses files that lie, or link, out of it: links are followed beforehand.
 */
export function mapFiles(runtime: OnnxRuntime): MappedSessions {
  return {
    locate(paths) {
      const files = paths.map((path) => realpathSync(path));
      const folder = commonFolder(files);
      if (folder === undefined) return undefined;
      return {
        folder,
        names: new Map(
          paths.map(
            (path, index) =>
              [
                path,
                relative(folder, files[index] ?? '')
                  .split(sep)
                  .join('/'),
              ] as const,
          ),
        ),
      };
    },
    open(model, folder, options) {
      // Packing would copy every weight, which mapping is there to avoid.
      const session = { disable_prepacking: '1', model_external_initializers_file_folder_path: folder };
      // An arena keeps twice what a long prefill had at once, for runs that never need it again; without one neither prefill nor decoding was slower
      // (ONNX Runtime 1.30).
      return runtime.InferenceSession.create(model, { enableCpuMemArena: false, ...options, extra: { ...options.extra, session } });
    },
  };
}

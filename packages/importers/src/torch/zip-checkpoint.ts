import type { ByteSource } from '../byte-source.js';
import type { Checkpoint } from '../checkpoint.js';
import { runPickle } from '../pickle/machine.js';
import { metadataOf } from '../pickle/metadata.js';
import { largestPickle } from '../pickle/read-pickle.js';
import { tensorsOf } from '../pickle/tensors.js';
import { isKind } from '../pickle/values.js';
import { refuseDamaged, refuseUnsafe } from '../refusal.js';
import type { ZipEntry, ZipOptions } from '../zip.js';
import { resolvePersistentId } from './persistent-id.js';

/** The folder that torch puts everything in: that of `data.pkl`. Undefined when the archive has none. */
export function torchRoot(entries: ReadonlyMap<string, ZipEntry>): string | undefined {
  for (const name of entries.keys()) if (/^[^/]+\/data\.pkl$/.test(name)) return name.slice(0, -'/data.pkl'.length);
  return undefined;
}

/**
 * Files of `torch.save` since 1.6, TorchScript archives, and with them Lightning checkpoints and whole modules: a ZIP
 * archive of `data.pkl` and one stored entry a storage (caffe2/serialize/inline_container.h). Code and constants of
 * TorchScript are never looked at.
 * @throws TesseraeError `file-corrupt`, `file-unsafe`, `model-incompatible`.
 */
export async function openTorchZip(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>, root: string, options: ZipOptions = {}): Promise<Checkpoint> {
  const pickle = entries.get(`${root}/data.pkl`) ?? refuseDamaged(source.name, `it has no '${root}/data.pkl'`);
  const others = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (others.length > 1) return refuseUnsafe(source.name, `it has several data.pkl: ${others.slice(0, 5).join(', ')}`);
  if (pickle.size > largestPickle) return refuseUnsafe(source.name, `its data.pkl has the size ${pickle.size}; at most ${largestPickle} are read`);
  const bytes = await pickle.read(0, pickle.size, options);
  const file = `${source.name}, entry '${pickle.name}'`;
  const { value, length } = runPickle({ bytes, file, start: 0, available: bytes.length, persistent: resolvePersistentId });
  if (length !== bytes.length) return refuseDamaged(file, `${bytes.length - length} bytes follow its pickle`);
  const order = entries.get(`${root}/byteorder`);
  const byteOrder = order === undefined ? 'little' : new TextDecoder().decode(await order.read(0, Math.min(order.size, 16), options)).trim();
  if (byteOrder !== 'little' && byteOrder !== 'big') return refuseDamaged(source.name, `its byte order is '${byteOrder}'`);
  const isScript = entries.has(`${root}/constants.pkl`) || [...entries.keys()].some((name) => name.startsWith(`${root}/code/`));
  const tensors = tensorsOf(value, source, {
    isBigEndian: byteOrder === 'big',
    find(storage, tensor) {
      // Only a name to look up among the entries: no path of any disk.
      const entry = entries.get(`${root}/data/${storage.key}`);
      return entry ?? refuseDamaged(source.name, `tensor '${tensor}': its storage '${storage.key.slice(0, 200)}' is not in the archive`, { tensor, storage: storage.key });
    },
  });
  return {
    format: isScript ? 'torchscript' : 'pytorch',
    tensors,
    metadata: metadataOf(value, source.name),
    ...(isKind(value, 'object') ? { moduleClass: value.className } : {}),
  };
}

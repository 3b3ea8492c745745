import { join } from 'node:path';
import { float32Array, type HostArray, halfPrecisionBytes, TesseraeError, type WeightSource } from '@tesserae/core';
import { type OpenedModel, type StreamedTensor, writeSafetensorsStream } from '@tesserae/core/node';
import { type ImageTokenizerConfiguration, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { type ExportedTensor, exportNames, exportPrior } from '@tesserae/importers';
import { parsePriorConfiguration } from '@tesserae/transformer';

export interface SafetensorsExport {
  readonly file: string;
  readonly tensors: number;
  /** Whose names the tensors have. */
  readonly names: string;
}

function bytesOf(name: string, { dtype, data }: HostArray, floats: 'F32' | 'F16'): Uint8Array {
  if (dtype !== 'float32') throw new TesseraeError('model-incompatible', `The weight '${name}' holds no floats.`, { remedy: 'Convert the model again.' });
  return floats === 'F16' ? halfPrecisionBytes(name, data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** What a weight is multiplied with on its way out. */
type Scale = (path: string) => number;

/** openai/DALL-E's code has the residual gain 1/layers²; another one goes into the last convolution of every block. */
function residualScale(configuration: ImageTokenizerConfiguration): Scale {
  if (configuration.kind !== 'dvae' || configuration.residualGain === undefined) return () => 1;
  const scale = configuration.residualGain * (configuration.groups * configuration.blocksPerGroup) ** 2;
  return (path) => (/\.blocks\.\d+\.convolutions\.3\./.test(path) ? scale : 1);
}

function scaled(array: HostArray, scale: number): HostArray {
  return scale === 1 || array.dtype !== 'float32'
    ? array
    : float32Array(
        array.shape,
        Float32Array.from(array.data, (value) => value * scale),
      );
}

/** Weights under other names, read one by one; those without a name are a mistake of the table. */
function renamed(weights: WeightSource, names: ReadonlyMap<string, string>, floats: 'F32' | 'F16', scale: Scale = () => 1): StreamedTensor[] {
  return Array.from(weights.types.values(), ({ name: path, shape }) => {
    const name = names.get(path);
    if (name === undefined)
      throw new TesseraeError('model-incompatible', `The weight '${path}' has no name to be exported under.`, { remedy: 'Check that the config.json belongs to the weights.' });
    return { name, shape, dtype: floats, read: async () => bytesOf(path, scaled(await weights.read(path), scale(path)), floats) };
  });
}

/** A tensor of a peer, its parts read when its turn comes. */
function joined({ peer, shape, parts }: ExportedTensor, weights: WeightSource, floats: 'F32' | 'F16'): StreamedTensor {
  const read = async (): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    for (const { path, rows } of parts) {
      const array = await weights.read(path);
      const bytes = bytesOf(path, array, floats);
      const row = bytes.length / (array.shape[0] ?? 1);
      pieces.push(bytes.subarray(rows[0] * row, rows[1] * row));
    }
    const [only] = pieces;
    return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
  };
  return { name: peer, shape, dtype: floats, read };
}

/** DALLE-pytorch keeps the image tokenizer with the transformer, each of its wrappers in a place of its own. */
const insideDalle: Readonly<Record<string, (name: string) => string>> = {
  'dalle-pytorch-vae': (name) => `vae.${name}`,
  'openai-dvae': (name) => `vae.${name.replace(/^encoder\./, 'enc.').replace(/^decoder\./, 'dec.')}`,
  'taming-vqgan': (name) => `vae.model.${name}`,
};

/**
 * Writes the weights of a model's parts as safetensors that PyTorch loads: an image tokenizer under the names of the peer
 * whose code has its architecture, the two halves of openai/DALL-E's in a file each as there; a prior likewise, or under our own names where
 * no peer has its network.
 */
export async function writePeerSafetensors(model: OpenedModel, folder: string, floats: 'F32' | 'F16'): Promise<readonly SafetensorsExport[]> {
  const written: SafetensorsExport[] = [];
  const write = async (file: string, tensors: readonly StreamedTensor[], names: string): Promise<void> => {
    await writeSafetensorsStream(join(folder, file), tensors, { format: 'pt', names });
    written.push({ file, tensors: tensors.length, names });
  };
  const halves = async (tensors: readonly StreamedTensor[], family: string, prefix = ''): Promise<void> => {
    for (const half of ['encoder', 'decoder']) {
      const own = tensors.filter(({ name }) => name.startsWith(`${half}.`)).map((tensor) => ({ ...tensor, name: tensor.name.slice(half.length + 1) }));
      await write(`${prefix}${half}.safetensors`, own, family);
    }
  };
  let tokenizer: { readonly family: string; readonly tensors: readonly StreamedTensor[] } | undefined;
  if (model.index.parts.imageTokenizer !== undefined) {
    const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
    const { family, names } = exportNames(configuration);
    const table = new Map(Array.from(names, ({ peer, path }) => [path, peer] as const));
    const tensors = renamed(await model.openWeights('imageTokenizer'), table, floats, residualScale(configuration));
    tokenizer = { family, tensors };
    if (family === 'openai-dvae') await halves(tensors, family);
    else await write('image-tokenizer.safetensors', tensors, family);
  }
  if (model.index.parts.prior !== undefined) {
    const weights = await model.openWeights('prior');
    const peer = exportPrior(parsePriorConfiguration(await model.readJson('prior', 'config.json')));
    const tensors = peer?.tensors.map((tensor) => joined(tensor, weights, floats)) ?? [];
    const inside = insideDalle[tokenizer?.family ?? ''];
    if (peer?.family === 'min-dalle-prior') await halves(tensors, peer.family, 'prior-');
    else if (peer?.family === 'dalle-pytorch' && tokenizer !== undefined && inside !== undefined)
      await write('dalle.safetensors', [...tensors, ...tokenizer.tensors.map((tensor) => ({ ...tensor, name: inside(tensor.name) }))], peer.family);
    else if (peer !== undefined) await write('prior.safetensors', tensors, peer.family);
    else await write('prior.safetensors', renamed(weights, new Map(Array.from(weights.types.keys(), (path) => [path, path] as const)), floats), 'tesserae');
  }
  return written;
}

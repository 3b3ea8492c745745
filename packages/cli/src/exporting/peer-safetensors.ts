import { join } from 'node:path';
import { float32Array, type HostArray, halfPrecisionBytes, TesseraeError, type WeightSource } from '@tesserae/core';
import { type OpenedModel, type StreamedTensor, writeSafetensorsStream } from '@tesserae/core/node';
import { type ImageTokenizerConfiguration, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { exportNames } from '@tesserae/importers';

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

/**
 * Writes the weights of a model's parts as safetensors that PyTorch loads: an image tokenizer under the names of the peer
 * whose code has its architecture, the two halves of openai/DALL-E's in a file each as there; a prior under our own.
 */
export async function writePeerSafetensors(model: OpenedModel, folder: string, floats: 'F32' | 'F16'): Promise<readonly SafetensorsExport[]> {
  const written: SafetensorsExport[] = [];
  const write = async (file: string, tensors: readonly StreamedTensor[], names: string): Promise<void> => {
    await writeSafetensorsStream(join(folder, file), tensors, { format: 'pt', names });
    written.push({ file, tensors: tensors.length, names });
  };
  if (model.index.parts.imageTokenizer !== undefined) {
    const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
    const { family, names } = exportNames(configuration);
    const table = new Map(Array.from(names, ({ peer, path }) => [path, peer] as const));
    const tensors = renamed(await model.openWeights('imageTokenizer'), table, floats, residualScale(configuration));
    if (family === 'openai-dvae') {
      for (const half of ['encoder', 'decoder']) {
        const own = tensors.filter(({ name }) => name.startsWith(`${half}.`)).map((tensor) => ({ ...tensor, name: tensor.name.slice(half.length + 1) }));
        await write(`${half}.safetensors`, own, family);
      }
    } else await write('image-tokenizer.safetensors', tensors, family);
  }
  if (model.index.parts.prior !== undefined) {
    const weights = await model.openWeights('prior');
    await write('prior.safetensors', renamed(weights, new Map(Array.from(weights.types.keys(), (path) => [path, path] as const)), floats), 'tesserae');
  }
  return written;
}

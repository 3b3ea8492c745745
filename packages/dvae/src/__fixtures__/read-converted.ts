import { readFileSync } from 'node:fs';
import { type HostArray, weightsFromSafetensors } from '@tesserae/core';
import { type ImageTokenizerConfiguration, parseImageTokenizerConfiguration } from '../architectures.js';

/** A recorded case's configuration and weights by our paths, as `tesserae convert` made them of the peer's own file. */
export async function readConverted<Kind extends ImageTokenizerConfiguration['kind']>(
  folder: URL,
  kind: Kind,
): Promise<{ readonly configuration: Extract<ImageTokenizerConfiguration, { readonly kind: Kind }>; readonly weights: ReadonlyMap<string, HostArray> }> {
  const configuration = parseImageTokenizerConfiguration(JSON.parse(readFileSync(new URL('configuration.json', folder), 'utf8')));
  if (configuration.kind !== kind) throw new Error(`${folder} is of the kind ${configuration.kind}, not ${kind}`);
  const source = weightsFromSafetensors(Uint8Array.from(readFileSync(new URL('weights.safetensors', folder))));
  const weights = new Map<string, HostArray>();
  for (const name of source.types.keys()) weights.set(name, await source.read(name));
  return { configuration: configuration as Extract<ImageTokenizerConfiguration, { readonly kind: Kind }>, weights };
}

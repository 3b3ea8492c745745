import { readFileSync } from 'node:fs';
import { type HostArray, weightsFromSafetensors } from '@tesserae/core';
import { type PriorConfiguration, parsePriorConfiguration } from '../configuration.js';

/** A recorded case's configuration and weights by our paths, as `tesserae convert` made them of the peer's own file. */
export async function readConverted(folder: URL): Promise<{ readonly configuration: PriorConfiguration; readonly weights: ReadonlyMap<string, HostArray> }> {
  const configuration = parsePriorConfiguration(JSON.parse(readFileSync(new URL('configuration.json', folder), 'utf8')));
  const source = weightsFromSafetensors(Uint8Array.from(readFileSync(new URL('weights.safetensors', folder))));
  const weights = new Map<string, HostArray>();
  for (const name of source.types.keys()) weights.set(name, await source.read(name));
  return { configuration, weights };
}

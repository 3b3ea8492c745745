import type { ImageTokenizer, Picture } from '@tesserae/core';

/** What the codes of a picture hold of it. */
export interface Reconstruction {
  readonly original: Picture;
  readonly codes: Int32Array;
  readonly again: Picture;
  /** Peak signal-to-noise ratio in dB; infinite where nothing was lost. */
  readonly psnr: number;
}

/** −10 log₁₀ of the mean squared error of pixels in [0, 1]. Both pictures have one size. */
export function peakSignalToNoise(original: Picture, again: Picture): number {
  const sum = original.data.reduce((total, value, index) => total + ((value - (again.data[index] ?? 0)) / 255) ** 2, 0);
  return -10 * Math.log10(sum / original.data.length);
}

/** Pictures encoded and decoded at a time. */
const batchSize = 8;

/** Pictures through a tokenizer and back, in batches of one size; `onProgress` is told how many are done. Sizes must be multiples of its downsampling. */
export async function reconstructPictures(
  tokenizer: ImageTokenizer,
  pictures: readonly Picture[],
  options: { readonly signal: AbortSignal; readonly onProgress?: (done: number) => void },
): Promise<Reconstruction[]> {
  const { signal, onProgress } = options;
  const reconstructions: Reconstruction[] = [];
  while (reconstructions.length < pictures.length) {
    signal.throwIfAborted();
    const start = reconstructions.length;
    const { width, height } = pictures[start] ?? { width: 0, height: 0 };
    let end = start + 1;
    while (end < pictures.length && end - start < batchSize && pictures[end]?.width === width && pictures[end]?.height === height) end += 1;
    const batch = pictures.slice(start, end);
    const codes = await tokenizer.encode(batch, { signal });
    const decoded = await tokenizer.decode(codes, { rows: height / tokenizer.downsampling, columns: width / tokenizer.downsampling }, { signal });
    batch.forEach((original, index) => {
      const [own, again] = [codes[index], decoded[index]];
      if (own !== undefined && again !== undefined) reconstructions.push({ original, codes: own, again, psnr: peakSignalToNoise(original, again) });
    });
    onProgress?.(reconstructions.length);
  }
  return reconstructions;
}

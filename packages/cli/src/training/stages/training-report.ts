import { join } from 'node:path';
import { fileExists } from '@tesserae/core/node';
import type { LoadedImages } from '@tesserae/datasets/node';
import { measuredPictures, writeReport } from '../../report/write-report.js';
import type { StageContext } from './stage.js';

/** Writes `training/report.html` of a model under training, about the pictures it is trained on; without any, only where there is no page yet. */
export async function writeTrainingReport(context: StageContext, images: LoadedImages | undefined): Promise<void> {
  const { modelFolder, size, backend, output, signal } = context;
  const file = join(modelFolder, 'training', 'report.html');
  if (images === undefined && (await fileExists(file))) {
    output.note(`${file} was made before: tesserae report adds the samples`);
    return;
  }
  const pictures = (images?.examples ?? [])
    .slice(0, measuredPictures)
    .map((example, index) => ({ name: example.file, picture: { width: size, height: size, data: images?.pixels[index] ?? new Uint8Array() } }));
  await writeReport({ modelFolder, pictures, file, backend, output, signal });
}

import { open, rename, rm } from 'node:fs/promises';
import { TesseraeError } from '@tesserae/core';

/**
 * Writes a file so that a reader finds either the old one or the whole new one, never a part.
 * @throws TesseraeError `file-write-failed`; the temporary file is removed, what was there before stays.
 */
export async function writeAtomically(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new TesseraeError('file-write-failed', `"${path}" could not be written: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      remedy: 'Check free space and permissions, then run it again; nothing was half-written.',
      details: { path },
      cause,
    });
  }
}

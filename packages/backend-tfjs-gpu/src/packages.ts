import { TesseraeError } from '@tesserae/core';

/** What Node, bundlers and browsers say of a module that is not there. */
const absence = /Cannot find (?:package|module)|resolve module specifier|dynamically imported module|Importing a module script failed/;

function messageOf(cause: unknown): string {
  return cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
}

/**
 * Imports an optional package.
 * @throws TesseraeError `missing-dependency` saying what to install; `backend-unavailable` when the package is there but
 * does not load, as one with a binary for another platform.
 */
export async function importPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    const details = { package: name };
    if (absence.test(messageOf(cause))) {
      throw new TesseraeError('missing-dependency', `The backend 'tfjs-gpu' needs the package ${name}.`, { remedy: `Install it: npm install ${name}.`, details, cause });
    }
    throw new TesseraeError('backend-unavailable', `The package ${name} does not load: ${messageOf(cause)}.`, { remedy: 'Install it anew on this machine.', details, cause });
  }
}

import { commands } from '../index.js';
import { type ExitCode, main } from '../main.js';

export interface CommandRun {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

/** One command line in this process, without a terminal unless told so. */
export async function runCommand(
  words: readonly string[],
  options: { readonly signal?: AbortSignal; readonly environment?: Readonly<Record<string, string>>; readonly workingFolder?: string; readonly terminal?: boolean } = {},
): Promise<CommandRun> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({
    write: (text: string): void => {
      written[name] += text;
    },
    isTTY: options.terminal === true && name === 'stdout',
  });
  const code = await main(words, {
    commands,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    now: () => performance.now(),
    environment: options.environment ?? {},
    workingFolder: options.workingFolder ?? import.meta.dirname,
    signal: options.signal ?? new AbortController().signal,
    version: '0.0.0',
  });
  return { code, ...written };
}

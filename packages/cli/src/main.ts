import { parseArgs } from 'node:util';
import { isTesseraeError } from '@tesserae/core';
import { type Command, commonOptions, flag, type OptionSpec, type OptionValues, parseOptions, textOption, UsageError } from './command.js';
import { readConfiguration } from './configuration-file.js';
import { createOutput, type OutputStreams } from './terminal/output.js';

/** 0 done, 1 failed, 2 called wrongly, 130 interrupted: what shells expect. */
export type ExitCode = 0 | 1 | 2 | 130;

export interface MainOptions extends OutputStreams {
  readonly commands: readonly Command[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Where `tesserae.config.ts` is looked for. */
  readonly workingFolder: string;
  readonly version: string;
}

function optionLines(specs: Readonly<Record<string, OptionSpec>>): string[] {
  return Object.entries(specs).map(([name, { short, value, help }]) => {
    const left = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
    return `  ${left.padEnd(28)} ${help}`;
  });
}

export function overview(commands: readonly Command[]): string {
  return [
    'tesserae: DALL-E for TypeScript',
    '',
    'Usage: tesserae <command> [options]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}`),
    '',
    'tesserae <command> --help tells more.',
  ].join('\n');
}

export function commandHelp(command: Command): string {
  return [command.summary, '', `Usage: tesserae ${command.usage}`, '', ...optionLines({ ...command.options, ...commonOptions })].join('\n');
}

function findCommand(commands: readonly Command[], words: readonly string[]): { command: Command; rest: readonly string[] } | undefined {
  for (const command of commands) {
    const parts = command.name.split(' ');
    if (parts.every((part, index) => words[index] === part)) return { command, rest: words.slice(parts.length) };
  }
  return undefined;
}

/** Everything an error and its causes say, one line each, for `--verbose`. */
function trail(error: unknown): string {
  const lines: string[] = [];
  for (let current: unknown = error; current instanceof Error; current = current.cause) lines.push(current.stack ?? current.message);
  return lines.join('\ncaused by: ');
}

/** Runs one command line. Never throws: gives the exit code. */
export async function main(words: readonly string[], options: MainOptions): Promise<ExitCode> {
  const { commands, stdout, stderr } = options;
  const [first] = words;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    stdout.write(`${overview(commands)}\n`);
    return first === undefined ? 2 : 0;
  }
  if (first === '--version') {
    stdout.write(`${options.version}\n`);
    return 0;
  }
  const found = findCommand(commands, words);
  if (found === undefined) {
    stderr.write(`tesserae: there is no command '${first}'. Commands: ${commands.map(({ name }) => name).join(', ')}.\n`);
    return 2;
  }
  const { command, rest } = found;
  let values: OptionValues = {};
  try {
    const parsed = parseArgs({ args: [...rest], options: parseOptions({ ...command.options, ...commonOptions }), allowPositionals: true, strict: true });
    values = parsed.values as OptionValues;
    if (flag(values, 'help')) {
      stdout.write(`${commandHelp(command)}\n`);
      return 0;
    }
    const output = createOutput(options, { json: flag(values, 'json'), quiet: flag(values, 'quiet') });
    const configuration = await readConfiguration(options.workingFolder, textOption(values, 'config'));
    const result = await command.run({ positionals: parsed.positionals, options: values, output, signal: options.signal, environment: options.environment, configuration });
    if (flag(values, 'json')) stdout.write(`${JSON.stringify(result ?? {}, null, 2)}\n`);
    return 0;
  } catch (error) {
    if (options.signal.aborted && (error === options.signal.reason || (error instanceof Error && error.name === 'AbortError'))) {
      stderr.write('\ntesserae: interrupted; what was finished is saved.\n');
      return 130;
    }
    const usage = error instanceof UsageError || (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
    const message = error instanceof Error ? error.message : String(error);
    const oneLine = message.replace(/\s*\n\s*/g, ' ');
    stderr.write(`tesserae: ${oneLine}${usage ? ` (tesserae ${command.name} --help)` : ''}\n`);
    if (flag(values, 'verbose')) stderr.write(`${trail(error)}\n`);
    else if (!usage && !isTesseraeError(error)) stderr.write('Run again with --verbose to see where it happened.\n');
    return usage ? 2 : 1;
  }
}

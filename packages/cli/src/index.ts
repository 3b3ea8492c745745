import type { Command } from './command.js';
import { backendsCommand } from './commands/backends.js';
import { codebookCommand } from './commands/codebook.js';
import { convertCommand } from './commands/convert.js';
import { dataScenesCommand } from './commands/data-scenes.js';
import { evalCommand } from './commands/eval.js';
import { exportCommand } from './commands/export.js';
import { generateCommand } from './commands/generate.js';
import { inspectCommand } from './commands/inspect.js';
import { planCommand } from './commands/plan.js';
import { reconstructCommand } from './commands/reconstruct.js';
import { reportCommand } from './commands/report.js';
import { tokenizeCommand } from './commands/tokenize.js';
import { trainCommand } from './commands/train.js';

export type { Command } from './command.js';
export { defineConfig, type TesseraeConfiguration } from './configuration-file.js';
export { main } from './main.js';
export { type LoadedModel, loadModel } from './model.js';

/** Every command of `tesserae`. */
export const commands: readonly Command[] = [
  dataScenesCommand,
  planCommand,
  trainCommand,
  tokenizeCommand,
  generateCommand,
  reconstructCommand,
  codebookCommand,
  reportCommand,
  convertCommand,
  evalCommand,
  exportCommand,
  inspectCommand,
  backendsCommand,
];

import type { Command } from './command.js';
import { backendsCommand } from './commands/backends.js';
import { generateCommand } from './commands/generate.js';
import { inspectCommand } from './commands/inspect.js';
import { reconstructCommand } from './commands/reconstruct.js';

export type { Command } from './command.js';
export { type LoadedModel, loadModel } from './model.js';
export { main } from './main.js';

/** Every command of `tesserae`. */
export const commands: readonly Command[] = [generateCommand, reconstructCommand, inspectCommand, backendsCommand];

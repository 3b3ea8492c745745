import { TesseraeError } from '../errors/index.js';
import type { Backend } from './backend.js';

/** What a backend's factory may be told. */
export interface BackendOptions {
  readonly device?: string;
  /** Threads inside one operator. */
  readonly threads?: number;
  /** Anything else the backend knows. */
  readonly [option: string]: unknown;
}

/** `'onnx'`, `{ name: 'tfjs-gpu', device: 'webgpu' }`, an instance, or a list: the first that works. */
export type BackendChoice = string | ({ readonly name: string } & BackendOptions) | Backend | readonly BackendChoice[];

/** Backends by name. The application fills it: core knows no engine. */
export type BackendRegistry = Readonly<Record<string, (options: BackendOptions) => Promise<Backend>>>;

export interface ResolveBackendOptions {
  readonly registry: BackendRegistry;
  /** What was configured; wins over `environment`. */
  readonly choice?: BackendChoice;
  /** The value of TESSERAE_BACKEND: `name` or `name:device`. */
  readonly environment?: string;
  /** Taken when nothing else is said. */
  readonly fallback: BackendChoice;
}

function isBackend(choice: BackendChoice): choice is Backend {
  return typeof choice === 'object' && 'compile' in choice;
}

function parseText(text: string): { name: string; device?: string } {
  const [name = '', device] = text.split(':');
  return device === undefined ? { name } : { name, device };
}

/**
 * The one way from configuration to a backend.
 * @throws TesseraeError `backend-unknown` for a name that is not registered, `backend-unavailable` when no choice works,
 * telling why each did not.
 */
export async function resolveBackend(options: ResolveBackendOptions): Promise<Backend> {
  const { registry, environment } = options;
  const chosen = options.choice ?? (environment === undefined || environment === '' ? options.fallback : parseText(environment));
  return open(chosen, registry);
}

async function open(choice: BackendChoice, registry: BackendRegistry): Promise<Backend> {
  if (typeof choice === 'string') return open(parseText(choice), registry);
  if (Array.isArray(choice)) return openFirst(choice as readonly BackendChoice[], registry);
  const single = choice as Exclude<BackendChoice, string | readonly BackendChoice[]>;
  if (isBackend(single)) {
    if (single.specificationVersion !== 'v1') {
      throw new TesseraeError('backend-unknown', `The backend '${single.name}' follows specification ${String(single.specificationVersion)}.`, {
        remedy: "Use a version of it for specification 'v1'.",
      });
    }
    return single;
  }
  const { name, ...rest } = single;
  const create = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (create === undefined) {
    throw new TesseraeError('backend-unknown', `There is no backend '${name}'.`, { remedy: `Use ${Object.keys(registry).join(', ')}.`, details: { name } });
  }
  return create(rest);
}

async function openFirst(choices: readonly BackendChoice[], registry: BackendRegistry): Promise<Backend> {
  const failures: string[] = [];
  for (const choice of choices) {
    try {
      return await open(choice, registry);
    } catch (cause) {
      failures.push(cause instanceof Error ? cause.message : String(cause));
    }
  }
  throw new TesseraeError('backend-unavailable', `No backend could be opened: ${failures.join(' — ')}`, {
    remedy: 'Install one of them, or choose another.',
    details: { failures },
  });
}

import { TesseraeError } from '../errors/index.js';
import type { CallOptions, LogitsChange } from '../models/index.js';
import type { GenerateEvent, GenerateWarning } from './events.js';
import type { SequencePlan } from './plan.js';
import type { GenerateNext, PluginCall, PluginHost, SamplingPlugin } from './plugin.js';
import type { ResolvedRequest } from './request.js';

type HookName = Exclude<keyof SamplingPlugin, 'name' | 'specificationVersion'>;

/** Everything one call needs of the plugins. */
export interface CallState extends CallOptions {
  readonly warnings: GenerateWarning[];
  readonly emit: (event: GenerateEvent) => void;
}

/** Runs hooks by their kind: waterfall, onion, ordered list, observers. */
export interface PluginDriver {
  setup(): Promise<void>;
  request(request: ResolvedRequest, state: CallState): Promise<ResolvedRequest>;
  plan(plan: SequencePlan, request: ResolvedRequest, state: CallState): Promise<SequencePlan>;
  wrap(core: GenerateNext, state: CallState, request: ResolvedRequest): GenerateNext;
  readonly logits: readonly LogitsChange[];
  observe(event: GenerateEvent, warnings: GenerateWarning[]): void;
  dispose(): void;
}

/** @throws TesseraeError `plugin-unknown` for a plugin without a name, with one that is taken, or of another specification. */
export function createPluginDriver(plugins: readonly SamplingPlugin[], host: PluginHost): PluginDriver {
  const names = new Set<string>();
  for (const plugin of plugins) {
    const { name, specificationVersion } = plugin;
    const refuse = (problem: string, remedy: string): never => {
      throw new TesseraeError('plugin-unknown', problem, { remedy, details: { name } });
    };
    if (typeof name !== 'string' || name === '') refuse('A plugin has no name.', 'Give it one: errors and options go by it.');
    if (specificationVersion !== 'v1') refuse(`Plugin '${name}' follows specification ${JSON.stringify(specificationVersion)}.`, "Use a version of it for specification 'v1'.");
    if (names.has(name)) refuse(`There are two plugins '${name}'.`, 'Use it once, or give one of them another name.');
    names.add(name);
  }

  const disposables: { dispose(): void }[] = [];
  let ready: Promise<void> | undefined;

  /** Runs a hook; what goes wrong names plugin and hook. Aborts and typed errors that are the user's pass unchanged. */
  async function guarded<T>(
    plugin: SamplingPlugin,
    hook: HookName,
    signal: AbortSignal | undefined,
    run: () => T | Promise<T>,
    isForeign: (cause: unknown) => boolean = () => false,
  ): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      if (isForeign(cause)) throw cause;
      if (signal?.aborted || (cause instanceof TesseraeError && cause.code !== 'plugin-failure' && hook !== 'setup')) throw cause;
      if (cause instanceof TesseraeError && cause.code === 'plugin-failure') throw cause;
      throw new TesseraeError('plugin-failure', `Plugin '${plugin.name}' failed in ${hook}: ${cause instanceof Error ? cause.message : String(cause)}.`, {
        remedy: 'Leave it out, or report it to its author.',
        details: { plugin: plugin.name, hook },
        cause,
      });
    }
  }

  const callOf = (plugin: SamplingPlugin, request: ResolvedRequest, state: CallState): PluginCall => ({
    host,
    options: request.pluginOptions?.[plugin.name],
    warn: (message) => {
      const warning = { source: plugin.name, message };
      state.warnings.push(warning);
      state.emit({ type: 'warning', warning });
    },
    ...(state.signal === undefined ? {} : { signal: state.signal }),
  });

  return {
    logits: plugins.flatMap(({ name, logits }) => (logits === undefined ? [] : [{ name, ...logits }])),
    setup() {
      ready ??= (async () => {
        for (const plugin of plugins) {
          const made = await guarded(plugin, 'setup', undefined, () => plugin.setup?.(host));
          if (made !== undefined && made !== null) disposables.push(made);
        }
      })();
      return ready;
    },
    async request(request, state) {
      let current = request;
      for (const plugin of plugins) {
        if (plugin.request !== undefined) current = await guarded(plugin, 'request', state.signal, () => plugin.request?.(current, callOf(plugin, current, state)) ?? current);
      }
      return current;
    },
    async plan(plan, request, state) {
      let current = plan;
      for (const plugin of plugins) {
        if (plugin.plan !== undefined) current = await guarded(plugin, 'plan', state.signal, () => plugin.plan?.(current, request, callOf(plugin, request, state)) ?? current);
      }
      return current;
    },
    wrap(core, state, request) {
      // What fails below a plugin is not its fault: it goes up as it is.
      const fromBelow = new Set<unknown>();
      return plugins.reduceRight<GenerateNext>((next, plugin) => {
        if (plugin.wrapGenerate === undefined) return next;
        return (inner, change) => {
          // A change of the plan asked for further out still reaches the innermost call.
          const through: GenerateNext = async (passed, own) => {
            try {
              return await next(passed, own === undefined ? change : change === undefined ? own : (plan) => change(own(plan)));
            } catch (cause) {
              fromBelow.add(cause);
              throw cause;
            }
          };
          const run = () => plugin.wrapGenerate?.(through, inner, callOf(plugin, request, state)) ?? next(inner, change);
          return guarded(plugin, 'wrapGenerate', state.signal, run, (cause) => fromBelow.has(cause));
        };
      }, core);
    },
    observe(event, warnings) {
      for (const plugin of plugins) {
        try {
          plugin.on?.(event);
        } catch (cause) {
          warnings.push({ source: plugin.name, message: `failed while observing ${event.type}: ${cause instanceof Error ? cause.message : String(cause)}` });
        }
      }
    },
    dispose() {
      for (const disposable of disposables.splice(0)) disposable.dispose();
      ready = undefined;
    },
  };
}

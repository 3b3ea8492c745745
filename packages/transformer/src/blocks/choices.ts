import { choice, invalid, optional, recordOf, truth, wholeNumber } from '../configuration-fields.js';

/** `layer`: Ba et al. 2016; `rms`: Zhang and Sennrich 2019, without bias. */
export type NormKind = 'layer' | 'rms';

/**
 * Where a block normalises. `pre`: before each part (GPT-2); `sandwich`: also what a part gives, before it is added
 * (CogView, Ding et al. 2021); `normformer`: before each part, what attention gives, and inside the feed-forward layer
 * (Shleifer et al. 2021; DALL-E mini).
 */
export type NormPlacement = 'pre' | 'sandwich' | 'normformer';

/** The plain ones are one matrix, GELU, one matrix; `geglu` and `swiglu` multiply a value by an activated gate (Shazeer 2020). */
export type FeedForwardKind = 'gelu' | 'gelu-tanh' | 'gelu-quick' | 'geglu' | 'swiglu';

/** Which linear layers have a bias. */
export interface BiasChoices {
  readonly attentionInput: boolean;
  readonly attentionOutput: boolean;
  readonly feedForward: boolean;
  readonly head: boolean;
}

/** What the blocks are made of; each field's default is GPT-2's (`defaultChoices`). */
export interface BlockChoices {
  readonly norm: NormKind;
  readonly normPlacement: NormPlacement;
  /** Multiplies what a part gives by a learned number a channel, small at first (Touvron et al. 2021). */
  readonly layerScale: boolean;
  readonly feedForward: FeedForwardKind;
  /** Width inside the feed-forward layer. Default: 4·width. */
  readonly hidden: number;
  readonly biases: BiasChoices;
  /** Parts of the channels are taken from the token before, or from the left and above in the picture (`token-shift.ts`). */
  readonly tokenShift: boolean;
  /** For half precision, as in CogView: softmax of reduced scores, outputs divided by their largest channel, less gradient for embeddings. */
  readonly stable: boolean;
  /** Two residual streams whose inputs can be computed from their outputs (Gomez et al. 2017). */
  readonly reversible: boolean;
  /** By layer: the layer whose attention weights it uses; its norms and scale stay its own. Default: itself. */
  readonly attentionOf: readonly number[];
  /** The same for the feed-forward weights. */
  readonly feedForwardOf: readonly number[];
}

const norms: Readonly<Record<NormKind, true>> = { layer: true, rms: true };
const placements: Readonly<Record<NormPlacement, true>> = { pre: true, sandwich: true, normformer: true };
const feedForwards: Readonly<Record<FeedForwardKind, true>> = { gelu: true, 'gelu-tanh': true, 'gelu-quick': true, geglu: true, swiglu: true };

/** Choices as a configuration may leave them out. */
export type GivenChoices = Partial<Omit<BlockChoices, 'biases'>> & { readonly biases?: Partial<BiasChoices> };

/** Every choice of a configuration of `layers` blocks. */
export function withDefaults(given: GivenChoices, layers: number, width: number): BlockChoices {
  const own = Array.from({ length: layers }, (_, layer) => layer);
  return {
    norm: 'layer',
    normPlacement: 'pre',
    layerScale: false,
    feedForward: 'gelu',
    hidden: 4 * width,
    tokenShift: false,
    stable: false,
    reversible: false,
    attentionOf: own,
    feedForwardOf: own,
    ...given,
    biases: { attentionInput: true, attentionOutput: true, feedForward: true, head: true, ...given.biases },
  };
}

function biasesOf(value: unknown, field: string): Partial<BiasChoices> {
  const given = recordOf(value, field);
  const bias = <Field extends keyof BiasChoices>(name: Field) => optional(given, name, truth, `${field}.`);
  return { ...bias('attentionInput'), ...bias('attentionOutput'), ...bias('feedForward'), ...bias('head') };
}

/** Checks choices that may have come from a file. @throws TesseraeError `invalid-argument` naming the field. */
export function parseChoices(value: unknown, layers: number, width: number): GivenChoices {
  const given = recordOf(value, 'block');
  const read = <Field extends string, Value>(field: Field, of: (value: unknown, field: string) => Value) => optional(given, field, of, 'block.');
  const sharing = (list: unknown, field: string): readonly number[] => {
    if (!Array.isArray(list) || list.length !== layers) return invalid(field, list, `List ${layers} layers, one a layer.`);
    return list.map((source: unknown, layer) =>
      typeof source === 'number' && Number.isInteger(source) && source >= 0 && source <= layer && list[source] === source
        ? source
        : invalid(`${field}[${layer}]`, source, `Use ${layer}, or an earlier layer that uses its own weights.`),
    );
  };
  const choices: GivenChoices = {
    ...read('norm', (name, field) => choice(name, field, norms)),
    ...read('normPlacement', (name, field) => choice(name, field, placements)),
    ...read('layerScale', truth),
    ...read('feedForward', (name, field) => choice(name, field, feedForwards)),
    ...read('hidden', (hidden, field) => wholeNumber(hidden, field)),
    ...read('biases', biasesOf),
    ...read('tokenShift', truth),
    ...read('stable', truth),
    ...read('reversible', truth),
    ...read('attentionOf', sharing),
    ...read('feedForwardOf', sharing),
  };
  if (choices.tokenShift === true && width % 4 !== 0) invalid('block.tokenShift', true, `Shifted channels come in quarters: use a width that 4 divides, not ${width}.`);
  return choices;
}

import { scaled, tableLines } from '../terminal/table.js';
import type { ImageTokenizerCost } from './plan-image-tokenizer.js';
import type { PriorPlan } from './plan-prior.js';

const bytes = (value: number): string => scaled(value, 'B');
const flop = (value: number): string => scaled(value, 'FLOP');
const dollars = (value: number): string => `$${value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0 })}`;
const duration = (hours: number): string => (hours < 48 ? `${hours.toPrecision(3)} hours` : `${(hours / 24).toLocaleString('en', { maximumFractionDigits: 1 })} days`);

function parameterLines({ total, parts }: PriorPlan['parameters']): string[] {
  return [
    `Parameters: ${total.toLocaleString('en')}`,
    ...tableLines(parts.map(({ part, parameters }) => [part, parameters.toLocaleString('en'), `${((100 * parameters) / total).toFixed(1)} %`])),
    ...tableLines([['file', `${bytes(4 * total)} in float32`, `${bytes(2 * total)} in float16`]]),
  ];
}

function trainingLines({ batch, tokens, updates, flops, perSixParameters, memory, time }: PriorPlan['training']): string[] {
  const { parameters, optimizer, inputs, literals, peak, total, largest } = memory;
  return [
    `Training: ${updates.toLocaleString('en')} updates of ${batch.toLocaleString('en')} pictures, ${scaled(tokens)} tokens each`,
    ...tableLines([
      ['a token', flop(flops.perToken), `${perSixParameters.toFixed(2)} × 6 × parameters`],
      ['an update', flop(flops.perUpdate)],
      ['in all', flop(flops.total)],
      ...(time === undefined
        ? []
        : [
            ['speed', `${scaled(time.tokensPerSecond)} tokens/s`],
            ['time', duration(time.hours), ...(time.dollars === undefined ? [] : [dollars(time.dollars)])],
          ]),
    ]),
    'Memory of an update, one device, float32',
    ...tableLines([
      ['parameters', bytes(parameters)],
      ...Object.entries(optimizer).flatMap(([name, size]) => (size < 1000 ? [] : [[`optimizer: ${name}`, bytes(size)]])),
      ['inputs', bytes(inputs)],
      ['masks and tables', bytes(literals)],
      ['at the peak: activations', bytes(peak.activations)],
      ['at the peak: gradients', bytes(peak.gradients)],
      ['at the peak: new state', bytes(peak.newState)],
      ['in all', bytes(total)],
    ]),
    '  the least that is needed; ONNX Runtime on a CPU held 1.7 to 4.4 times the peak (docs/planning.md)',
    'The peak is mostly',
    ...tableLines(largest.map(({ operation, shape, count, bytes: size }) => [`${count} × ${operation} [${shape.join(', ')}]`, bytes(size)])),
  ];
}

function decodingLines(plan: PriorPlan['decoding']): string[] {
  const { candidates, branches, tokens, flopsPerToken, prefillFlops, cache, otherState, weightBytes, stateBytes, loadedBytes, speeds } = plan;
  const cached = cache.reduce((sum, { bytes: size }) => sum + size, 0);
  return [
    `Making pictures: ${candidates} at once${branches === 1 ? '' : ', guided'}, ${tokens} tokens each`,
    ...tableLines([
      ['reading the text', flop(prefillFlops)],
      ['a token', flop(flopsPerToken)],
      ['keys and values', bytes(cached), `${bytes(cached / candidates)} a picture`],
      ...cache.map(({ pattern, layers, bytes: size }) => [`  ${pattern}, ${layers} ${layers === 1 ? 'layer' : 'layers'}`, bytes(size)]),
      ['other state', bytes(otherState)],
      ['state read a token', bytes(stateBytes)],
    ]),
    ...tableLines([
      ['weights', 'loaded', 'read a token', ...(speeds.length === 0 ? [] : ['by memory', 'by arithmetic', 'tokens/s', 'pictures/hour', '1,000 pictures'])],
      ...(['float32', 'int8', 'int4'] as const).map((type) => {
        const speed = speeds.find((one) => one.type === type);
        const { byBandwidth, byFlops, bound } = speed?.tokensPerSecond ?? {};
        const rate = (value: number | undefined): string => (value === undefined ? '–' : scaled(value));
        return [
          type,
          bytes(loadedBytes[type]),
          bytes(weightBytes[type]),
          ...(speed === undefined
            ? []
            : [rate(byBandwidth), rate(byFlops), rate(bound), scaled(speed.picturesPerHour), speed.dollarsPerThousand === undefined ? '–' : dollars(speed.dollarsPerThousand)]),
        ];
      }),
    ]),
  ];
}

/** A prior's tables. */
export function priorLines({ parameters, training, decoding }: PriorPlan): string[] {
  return [...parameterLines(parameters), '', ...trainingLines(training), '', ...decodingLines(decoding)];
}

export function imageTokenizerLines({ kind, parameters, parts, encodeFlops, decodeFlops, decodeBytes }: ImageTokenizerCost): string[] {
  return [
    `Image tokenizer: ${kind}, ${parameters.toLocaleString('en')} parameters, ${bytes(4 * parameters)} in float32`,
    ...tableLines([
      ...parts.map((one) => [one.part, one.parameters.toLocaleString('en')]),
      ...(encodeFlops === undefined ? [] : [['encoding a picture', flop(encodeFlops)]]),
      ['decoding a picture', flop(decodeFlops), `${bytes(decodeBytes)} of values at the peak`],
    ]),
  ];
}

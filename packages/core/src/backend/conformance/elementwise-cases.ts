import { apply } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import type { Shape } from '../../tensor/index.js';
import { at, type ConformanceCase, coarse, forward, type InputSpec, positive, shapes, withGradients } from './conformance-case.js';

type FloatUnary =
  | 'negate'
  | 'absolute'
  | 'sign'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'erf'
  | 'sigmoid'
  | 'floor'
  | 'stopGradient'
  | 'softmax'
  | 'normalisedExp'
  | 'logSoftmax'
  | 'relu'
  | 'silu';

export function unaryCases(): ConformanceCase[] {
  const domain: Partial<Record<FloatUnary, (value: number) => number>> = { log: positive, sqrt: positive };
  const names: readonly FloatUnary[] = [
    'negate',
    'absolute',
    'sign',
    'exp',
    'log',
    'sqrt',
    'sin',
    'cos',
    'tanh',
    'erf',
    'sigmoid',
    'floor',
    'stopGradient',
    'softmax',
    'normalisedExp',
    'logSoftmax',
    'relu',
    'silu',
  ];
  return names.flatMap((name) =>
    shapes
      .filter((shape) => shape.length > 0 || (name !== 'softmax' && name !== 'normalisedExp' && name !== 'logSoftmax'))
      .flatMap((shape) => {
        const from = domain[name];
        return withGradients(`${name}: [${shape}]`, [{ shape, ...(from === undefined ? {} : { from }) }], (inputs) => apply(name, [at(inputs, 0)], {}));
      }),
  );
}

const broadcasts: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
  [
    [0, 3],
    [1, 3],
  ],
  [[1], [1]],
];

export function binaryCases(): ConformanceCase[] {
  const arithmetic = (['add', 'subtract', 'multiply', 'divide', 'maximum', 'minimum', 'power'] as const).flatMap((name) =>
    broadcasts.flatMap(([a, b]) => {
      const specs: InputSpec[] = [
        { shape: a, ...(name === 'power' ? { from: positive } : {}) },
        { shape: b, ...(name === 'divide' ? { from: positive } : {}) },
      ];
      return withGradients(`${name}: [${a}] with [${b}]`, specs, (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}));
    }),
  );
  const integers = (['add', 'subtract', 'multiply', 'maximum', 'minimum'] as const).map((name) =>
    forward(
      `${name}: int32`,
      [
        { shape: [2, 3], dtype: 'int32' },
        { shape: [3], dtype: 'int32' },
      ],
      (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
    ),
  );
  const comparisons = (['equal', 'less', 'lessOrEqual'] as const).flatMap((name) => [
    ...broadcasts.map(([a, b]) =>
      forward(
        `${name}: [${a}] with [${b}]`,
        [
          { shape: a, from: coarse },
          { shape: b, from: coarse },
        ],
        (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
      ),
    ),
    forward(
      `${name}: int32`,
      [
        { shape: [2, 3], dtype: 'int32' },
        { shape: [3], dtype: 'int32' },
      ],
      (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
    ),
  ]);
  const logic = (['logicalAnd', 'logicalOr'] as const).map((name) =>
    forward(
      `${name}: broadcast`,
      [
        { shape: [2, 3], dtype: 'bool' },
        { shape: [3], dtype: 'bool' },
      ],
      (inputs) => apply(name, [at(inputs, 0), at(inputs, 1)], {}),
    ),
  );
  return [
    ...arithmetic,
    ...integers,
    ...comparisons,
    ...logic,
    forward('logicalNot: [2, 3]', [{ shape: [2, 3], dtype: 'bool' }], (inputs) => ops.logicalNot(at(inputs, 0))),
    forward('negate: int32', [{ shape: [4], dtype: 'int32' }], (inputs) => ops.negate(at(inputs, 0))),
    forward('absolute: int32', [{ shape: [4], dtype: 'int32', from: (value) => value - 2 }], (inputs) => ops.absolute(at(inputs, 0))),
    ...withGradients('where: broadcast', [{ shape: [2, 1], dtype: 'bool' }, { shape: [2, 3] }, { shape: [3] }], (inputs) => ops.where(at(inputs, 0), at(inputs, 1), at(inputs, 2))),
    forward(
      'where: int32',
      [
        { shape: [4], dtype: 'bool' },
        { shape: [4], dtype: 'int32' },
        { shape: [], dtype: 'int32' },
      ],
      (inputs) => ops.where(at(inputs, 0), at(inputs, 1), at(inputs, 2)),
    ),
    forward(
      'where: bool',
      [
        { shape: [4], dtype: 'bool' },
        { shape: [4], dtype: 'bool' },
        { shape: [4], dtype: 'bool' },
      ],
      (inputs) => ops.where(at(inputs, 0), at(inputs, 1), at(inputs, 2)),
    ),
    forward('cast: float32 to int32 truncates', [{ shape: [8], from: (value) => value * 3 }], (inputs) => ops.cast(at(inputs, 0), 'int32')),
    forward('cast: int32 to float32', [{ shape: [4], dtype: 'int32' }], (inputs) => ops.cast(at(inputs, 0), 'float32')),
    forward('cast: bool to float32', [{ shape: [4], dtype: 'bool' }], (inputs) => ops.cast(at(inputs, 0), 'float32')),
    forward('cast: float32 to bool', [{ shape: [6], from: coarse }], (inputs) => ops.cast(at(inputs, 0), 'bool')),
    forward('cast: bool to int32', [{ shape: [4], dtype: 'bool' }], (inputs) => ops.cast(at(inputs, 0), 'int32')),
  ];
}

import { apply, trace } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import type { Shape } from '../../tensor/index.js';
import { at, type Build, type ConformanceCase, coarse, forward, withGradients } from './conformance-case.js';

export function linearCases(): ConformanceCase[] {
  const products = [0, 1, 2, 3].flatMap((flags) => {
    const [transposeA, transposeB] = [(flags & 1) === 1, (flags & 2) === 2];
    const a = transposeA ? [4, 3] : [3, 4];
    const b = transposeB ? [2, 4] : [4, 2];
    const options = { transposeA, transposeB };
    const build: Build = (inputs) => ops.matMul(at(inputs, 0), at(inputs, 1), options);
    const label = `${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}`;
    return [
      ...withGradients(`matMul: ${label}`, [{ shape: a }, { shape: b }], build),
      ...withGradients(`matMul: ${label}, batches broadcast`, [{ shape: [2, 1, ...a] }, { shape: [3, ...b] }], build),
      ...withGradients(`matMul: ${label}, one shared matrix`, [{ shape: [2, ...a] }, { shape: b }], build),
    ];
  });
  const convolutions: readonly (readonly [string, Shape, Shape, ops.Conv2dOptions])[] = [
    ['same 3×3', [2, 3, 5, 6], [4, 3, 3, 3], {}],
    ['1×1', [2, 3, 4, 4], [5, 3, 1, 1], {}],
    ['stride 2, 4×4', [1, 2, 8, 8], [3, 2, 4, 4], { stride: 2, padding: 1 }],
    [
      'stride 2, odd size',
      [1, 2, 7, 5],
      [2, 2, 3, 3],
      {
        stride: 2,
        padding: [
          [0, 1],
          [0, 1],
        ],
      },
    ],
    ['dilated', [1, 2, 7, 7], [2, 2, 3, 3], { dilation: 2 }],
    ['7×7', [1, 3, 8, 8], [2, 3, 7, 7], {}],
    ['padding beyond the filter', [1, 1, 3, 3], [1, 1, 1, 2], { padding: 2 }],
    ['no pictures', [0, 2, 4, 4], [3, 2, 3, 3], {}],
  ];
  return [
    ...products,
    forward('matMul: over nothing', [{ shape: [2, 0] }, { shape: [0, 3] }], (inputs) => ops.matMul(at(inputs, 0), at(inputs, 1))),
    ...convolutions.flatMap(([label, x, filter, options]) =>
      withGradients(`conv2d: ${label}`, [{ shape: x }, { shape: filter }], (inputs) => ops.conv2d(at(inputs, 0), at(inputs, 1), options)),
    ),
    ...convolutions.flatMap(([label, x, filter, options], index) => {
      const attributes = ops.conv2dAttributes(filter[2] ?? 1, filter[3] ?? 1, options);
      const out = trace('shape', (scope) => scope.output('y', ops.conv2d(scope.input('x', x), scope.input('f', filter), options)));
      const gradient = { shape: out.nodes[out.outputs[0]?.node ?? 0]?.shape ?? [] };
      // They are differentiable themselves, through their decomposition; the large filters would only take long.
      const make = index < 4 ? withGradients : (...given: Parameters<typeof forward>) => [forward(...given)];
      return [
        ...make(`conv2dInputGradient: ${label}`, [gradient, { shape: filter }], (inputs) =>
          apply('conv2dInputGradient', [at(inputs, 0), at(inputs, 1)], { ...attributes, inputShape: x }),
        ),
        ...make(`conv2dFilterGradient: ${label}`, [{ shape: x }, gradient], (inputs) =>
          apply('conv2dFilterGradient', [at(inputs, 0), at(inputs, 1)], { ...attributes, filterShape: filter }),
        ),
      ];
    }),
    ...withGradients('maxPool2d: 2', [{ shape: [2, 2, 4, 6], from: coarse }], (inputs) => ops.maxPool2d(at(inputs, 0))),
    ...withGradients('sumPool2d: 2', [{ shape: [2, 2, 4, 6] }], (inputs) => ops.sumPool2d(at(inputs, 0))),
    ...withGradients('upsampleNearest2d: 3', [{ shape: [1, 2, 2, 3] }], (inputs) => ops.upsampleNearest2d(at(inputs, 0), 3)),
  ];
}

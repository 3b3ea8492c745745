import { loop, trace } from '../../graph/index.js';
import * as ops from '../../ops/index.js';
import { boolArray, type HostArray, int32Array } from '../../tensor/index.js';
import { at, type Build, type ConformanceCase, forward, tolerance, valuesOf, withGradients } from './conformance-case.js';

export function loopCases(): ConformanceCase[] {
  const recurrent: Build = (inputs, scope) => {
    const weight = at(inputs, 1);
    const results = loop(scope, 4, [at(inputs, 0)], (iteration, [state = weight]) => {
      const next = ops.tanh(ops.add(ops.matMul(state, weight), ops.multiply(ops.cast(iteration, 'float32'), 0.1)));
      return { carried: [next], stacked: [ops.reduceSum(next, { axes: [1] })] };
    });
    return ops.add(results.carried[0] ?? weight, ops.reduceSum(results.stacked[0] ?? weight));
  };
  const counting: Build = (_, scope) => {
    const results = loop(scope, 5, [scope.literal(int32Array([], [0]))], (iteration, [sum = iteration]) => ({ carried: [ops.add(sum, iteration)], stacked: [ops.less(sum, 3)] }));
    return ops.add(results.carried[0] ?? scope.literal(int32Array([], [0])), ops.cast(results.stacked[0] ?? scope.literal(boolArray([1], [0])), 'int32'));
  };
  const nested: Build = (inputs, scope) => {
    const outer = at(inputs, 0);
    const results = loop(scope, 2, [outer], (iteration, [value = outer]) => {
      const inner = loop({ builder: iteration.builder }, 3, [value], (_, [deep = value]) => ({ carried: [ops.multiply(ops.add(deep, outer), 0.5)] }));
      return { carried: [ops.sin(inner.carried[0] ?? value)] };
    });
    return results.carried[0] ?? outer;
  };
  const square = { shape: [3, 3] };
  const stateful = trace('state: read and assigned', (scope) => {
    const total = scope.state('total', [2, 2]);
    const x = scope.input('x', [2, 2]);
    scope.output('before', total);
    scope.assign('total', ops.add(total, x));
  });
  const pair = (name: string): HostArray => valuesOf({ shape: [2, 2] }, name, 0);
  return [
    ...withGradients('loop: carried, captured and stacked', [square, square], recurrent),
    forward('loop: int32 carried, bool stacked', [], counting),
    ...withGradients('loop: nested', [{ shape: [2, 2] }], nested),
    { name: stateful.name, graph: stateful, inputs: { x: pair('x') }, state: new Map([['total', pair('total')]]), tolerance },
  ];
}

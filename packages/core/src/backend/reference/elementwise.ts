import { broadcastShapes, type HostArray, type TensorType, zerosArray } from '../../tensor/index.js';
import { broadcastSteps, walk } from './walk.js';

/** Applies a function of one number to every element. */
export function mapUnary(x: HostArray, type: TensorType, compute: (value: number) => number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const [source, target] = [x.data, out.data];
  for (let index = 0; index < source.length; index += 1) target[index] = compute(source[index] ?? 0);
  return out;
}

/** Applies a function of two numbers with NumPy broadcasting. */
export function mapBinary(a: HostArray, b: HostArray, type: TensorType, compute: (left: number, right: number) => number): HostArray {
  const out = zerosArray(type.shape, type.dtype);
  const [leftData, rightData, target] = [a.data, b.data, out.data];
  const { rows, length, operands } = walk(type.shape, [broadcastSteps(a.shape, type.shape), broadcastSteps(b.shape, type.shape)]);
  const [left, right] = operands;
  if (left === undefined || right === undefined) return out;
  let position = 0;
  for (let row = 0; row < rows; row += 1) {
    let [fromLeft, fromRight] = [left.starts[row] ?? 0, right.starts[row] ?? 0];
    for (let index = 0; index < length; index += 1) {
      target[position] = compute(leftData[fromLeft] ?? 0, rightData[fromRight] ?? 0);
      position += 1;
      fromLeft += left.step;
      fromRight += right.step;
    }
  }
  return out;
}

export function selectWhere(condition: HostArray, a: HostArray, b: HostArray): HostArray {
  const shape = broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape));
  const out = zerosArray(shape, a.dtype);
  const [chosen, leftData, rightData, target] = [condition.data, a.data, b.data, out.data];
  const { rows, length, operands } = walk(
    shape,
    [condition, a, b].map((array) => broadcastSteps(array.shape, shape)),
  );
  const [choice, left, right] = operands;
  if (choice === undefined || left === undefined || right === undefined) return out;
  let position = 0;
  for (let row = 0; row < rows; row += 1) {
    let [fromChoice, fromLeft, fromRight] = [choice.starts[row] ?? 0, left.starts[row] ?? 0, right.starts[row] ?? 0];
    for (let index = 0; index < length; index += 1) {
      target[position] = (chosen[fromChoice] === 1 ? leftData[fromLeft] : rightData[fromRight]) ?? 0;
      position += 1;
      fromChoice += choice.step;
      fromLeft += left.step;
      fromRight += right.step;
    }
  }
  return out;
}

/** erf by Numerical Recipes' erfc Chebyshev fit (relative error below 1.2e-7): beyond float32's own precision. */
export function erf(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x;
  const magnitude = Math.abs(x);
  if (magnitude < 0.5) {
    // Maclaurin series: the fit below loses relative precision near 0.
    let term = magnitude;
    let sum = magnitude;
    for (let n = 1; n < 20; n += 1) {
      term *= (-magnitude * magnitude) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * sum * (2 / Math.sqrt(Math.PI));
  }
  const t = 1 / (1 + 0.5 * magnitude);
  const coefficients = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
  const polynomial = coefficients.reduceRight((sum, coefficient) => sum * t + coefficient, 0);
  return Math.sign(x) * (1 - t * Math.exp(-magnitude * magnitude + polynomial));
}

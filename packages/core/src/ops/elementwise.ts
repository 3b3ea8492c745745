import { TesseraeError } from '../errors/index.js';
import { apply, literal, type Tensor } from '../graph/index.js';
import { boolArray, type DType, float32Array, type HostArray, int32Array } from '../tensor/index.js';

/** A tensor, or a number that becomes a scalar of the other operand's dtype. */
export type Operand = Tensor | number;

function scalar(value: number, dtype: DType): HostArray {
  switch (dtype) {
    case 'float32':
      return float32Array([], [value]);
    case 'int32':
      return int32Array([], [value]);
    case 'bool':
      return boolArray([], [value !== 0]);
    default:
      return dtype satisfies never;
  }
}

function lift(value: Operand, like: Tensor): Tensor {
  return typeof value === 'number' ? literal(like.builder, scalar(value, like.dtype)) : value;
}

type BinaryName = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'minimum' | 'power' | 'equal' | 'less' | 'lessOrEqual' | 'logicalAnd' | 'logicalOr';

function binary(operation: BinaryName, a: Operand, b: Operand): Tensor {
  const like = typeof a === 'number' ? b : a;
  if (typeof like === 'number') {
    throw new TesseraeError('invalid-argument', `${operation}(${a}, ${b}) has no tensor.`, { remedy: 'Compute it in JavaScript.' });
  }
  return apply(operation, [lift(a, like), lift(b, like)], {});
}

export const add = (a: Operand, b: Operand): Tensor => binary('add', a, b);
export const subtract = (a: Operand, b: Operand): Tensor => binary('subtract', a, b);
export const multiply = (a: Operand, b: Operand): Tensor => binary('multiply', a, b);
export const divide = (a: Operand, b: Operand): Tensor => binary('divide', a, b);
export const maximum = (a: Operand, b: Operand): Tensor => binary('maximum', a, b);
export const minimum = (a: Operand, b: Operand): Tensor => binary('minimum', a, b);
export const power = (a: Operand, b: Operand): Tensor => binary('power', a, b);
export const equal = (a: Operand, b: Operand): Tensor => binary('equal', a, b);
export const less = (a: Operand, b: Operand): Tensor => binary('less', a, b);
export const lessOrEqual = (a: Operand, b: Operand): Tensor => binary('lessOrEqual', a, b);
export const greater = (a: Operand, b: Operand): Tensor => binary('less', b, a);
export const greaterOrEqual = (a: Operand, b: Operand): Tensor => binary('lessOrEqual', b, a);
export const logicalAnd = (a: Operand, b: Operand): Tensor => binary('logicalAnd', a, b);
export const logicalOr = (a: Operand, b: Operand): Tensor => binary('logicalOr', a, b);

export const negate = (x: Tensor): Tensor => apply('negate', [x], {});
export const absolute = (x: Tensor): Tensor => apply('absolute', [x], {});
export const sign = (x: Tensor): Tensor => apply('sign', [x], {});
export const exp = (x: Tensor): Tensor => apply('exp', [x], {});
export const log = (x: Tensor): Tensor => apply('log', [x], {});
export const sqrt = (x: Tensor): Tensor => apply('sqrt', [x], {});
export const sin = (x: Tensor): Tensor => apply('sin', [x], {});
export const cos = (x: Tensor): Tensor => apply('cos', [x], {});
export const tanh = (x: Tensor): Tensor => apply('tanh', [x], {});
export const erf = (x: Tensor): Tensor => apply('erf', [x], {});
export const sigmoid = (x: Tensor): Tensor => apply('sigmoid', [x], {});
export const floor = (x: Tensor): Tensor => apply('floor', [x], {});
export const logicalNot = (x: Tensor): Tensor => apply('logicalNot', [x], {});
export const square = (x: Tensor): Tensor => multiply(x, x);

/** The value of x, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => apply('stopGradient', [x], {});

/** float → int32 truncates toward zero; number → bool is "not 0". */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : apply('cast', [x], { dtype }));

/** `whenTrue` where the bool condition holds, else `whenFalse`. All three broadcast. */
export function where(condition: Tensor, whenTrue: Operand, whenFalse: Operand): Tensor {
  const like = typeof whenTrue === 'number' ? whenFalse : whenTrue;
  const dtype: DType = typeof like === 'number' ? 'float32' : like.dtype;
  const value = (operand: Operand): Tensor => (typeof operand === 'number' ? literal(condition.builder, scalar(operand, dtype)) : operand);
  return apply('where', [condition, value(whenTrue), value(whenFalse)], {});
}

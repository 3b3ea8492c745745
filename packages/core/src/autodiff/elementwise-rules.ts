import type { NoAttributes, PrimitiveName, Tensor } from '../graph/index.js';
import { add, cast, cos, divide, equal, exp, less, log, logicalNot, multiply, negate, power, sign, sin, square, subtract, where } from '../ops/index.js';
import { type GradientRule, inputOf, noGradient, type RuleContext } from './rule.js';

type ElementwiseName = Extract<
  PrimitiveName,
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
  | 'logicalNot'
  | 'stopGradient'
  | 'cast'
  | 'add'
  | 'subtract'
  | 'multiply'
  | 'divide'
  | 'maximum'
  | 'minimum'
  | 'power'
  | 'equal'
  | 'less'
  | 'lessOrEqual'
  | 'logicalAnd'
  | 'logicalOr'
  | 'where'
>;

/** Half to each of two equal operands: the symmetric choice of subgradient. */
const extremum =
  (takesFirst: 'larger' | 'smaller') =>
  (context: RuleContext<NoAttributes>): readonly Tensor[] => {
    const [a, b] = [inputOf(context, 0), inputOf(context, 1)];
    const shareOfA = add(multiply(cast(equal(a, b), 'float32'), 0.5), cast(takesFirst === 'larger' ? less(b, a) : less(a, b), 'float32'));
    return [multiply(context.gradient, shareOfA), multiply(context.gradient, subtract(1, shareOfA))];
  };

export const elementwiseRules: { readonly [O in ElementwiseName]: GradientRule<O> } = {
  negate: ({ gradient }) => [negate(gradient)],
  absolute: (context) => [multiply(context.gradient, sign(inputOf(context, 0)))],
  sign: noGradient,
  exp: ({ gradient, output }) => [multiply(gradient, output)],
  log: (context) => [divide(context.gradient, inputOf(context, 0))],
  sqrt: ({ gradient, output }) => [divide(multiply(gradient, 0.5), output)],
  sin: (context) => [multiply(context.gradient, cos(inputOf(context, 0)))],
  cos: (context) => [negate(multiply(context.gradient, sin(inputOf(context, 0))))],
  tanh: ({ gradient, output }) => [multiply(gradient, subtract(1, square(output)))],
  erf: (context) => [multiply(context.gradient, multiply(exp(negate(square(inputOf(context, 0)))), 2 / Math.sqrt(Math.PI)))],
  sigmoid: ({ gradient, output }) => [multiply(gradient, multiply(output, subtract(1, output)))],
  floor: noGradient,
  logicalNot: noGradient,
  stopGradient: noGradient,
  cast: noGradient,
  add: ({ gradient }) => [gradient, gradient],
  subtract: ({ gradient }) => [gradient, negate(gradient)],
  multiply: (context) => [multiply(context.gradient, inputOf(context, 1)), multiply(context.gradient, inputOf(context, 0))],
  divide: (context) => {
    const quotient = divide(context.gradient, inputOf(context, 1));
    return [quotient, negate(multiply(quotient, context.output))];
  },
  maximum: extremum('larger'),
  minimum: extremum('smaller'),
  power: (context) => {
    const [base, exponent] = [inputOf(context, 0), inputOf(context, 1)];
    // d/dexponent is base^exponent·ln base, taken as 0 where the base is not positive (there the power is no function of a real exponent).
    const positive = less(0, base);
    const logarithm = where(positive, log(where(positive, base, 1)), 0);
    return [multiply(context.gradient, multiply(exponent, power(base, subtract(exponent, 1)))), multiply(context.gradient, multiply(context.output, logarithm))];
  },
  equal: noGradient,
  less: noGradient,
  lessOrEqual: noGradient,
  logicalAnd: noGradient,
  logicalOr: noGradient,
  where: (context) => {
    const condition = inputOf(context, 0);
    return [undefined, where(condition, context.gradient, 0), where(logicalNot(condition), context.gradient, 0)];
  },
};

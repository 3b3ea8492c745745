/** IEEE 754 binary16, which JavaScript has no array for on Node 20. */

/** Half-precision bits → number, exactly. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Many at once, as float32 bits: a model's millions of weights are read at every compilation. `halves` are little-endian. */
export function halvesToFloats(halves: DataView): Float32Array {
  const floats = new Float32Array(Math.floor(halves.byteLength / 2));
  const bits = new Uint32Array(floats.buffer);
  for (let index = 0; index < floats.length; index += 1) {
    const half = halves.getUint16(index * 2, true);
    const exponent = half & 0x7c00;
    const fraction = (half & 0x3ff) << 13;
    // Zeros and denormals are no floats of the same form; an exponent of ones stays one.
    if (exponent === 0) floats[index] = halfToNumber(half);
    else bits[index] = ((half & 0x8000) << 16) | (exponent === 0x7c00 ? 0x7f800000 : (exponent << 13) + 0x38000000) | fraction;
  }
  return floats;
}

const largestHalf = 65504;
/** Smallest half that is not denormal. */
const smallestNormal = 2 ** -14;

/** A whole number of steps, ties to even. */
function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Number → the nearest half's bits, ties to even; beyond 65504 and its half step it is infinite. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= largestHalf + 16) return sign | 0x7c00;
  if (size < smallestNormal) return sign | roundToEven(size * 2 ** 24);
  // log2 may round up to the next power; the mantissa then comes out below one step and the exponent is taken back.
  let exponent = Math.floor(Math.log2(size));
  if (2 ** exponent > size) exponent -= 1;
  // A mantissa that rounds up to 2 carries into the exponent by itself.
  return sign | (((exponent + 15) << 10) + roundToEven((size / 2 ** exponent - 1) * 1024));
}

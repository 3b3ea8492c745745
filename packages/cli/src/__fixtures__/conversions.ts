import type { ConversionCase } from './conversion.js';
import { imageTokenizerCases } from './image-tokenizer-conversions.js';
import { priorCases } from './prior-conversions.js';
import { scorerCases } from './scorer-conversions.js';

/** Every recorded part. */
export const conversionCases: readonly ConversionCase[] = [...imageTokenizerCases, ...scorerCases, ...priorCases];

/** How a codebook is used. */
export interface CodebookUsage {
  /** Codes that occur. */
  readonly used: number;
  /** exp of the entropy of the codes: how many codes of equal frequency would be as varied. */
  readonly perplexity: number;
}

/** Usage from how often each code occurs. */
export function codebookUsage(counts: ArrayLike<number>): CodebookUsage {
  let total = 0;
  let used = 0;
  for (let code = 0; code < counts.length; code += 1) {
    const count = counts[code] ?? 0;
    total += count;
    if (count > 0) used += 1;
  }
  let entropy = 0;
  for (let code = 0; code < counts.length; code += 1) {
    const share = (counts[code] ?? 0) / Math.max(1, total);
    if (share > 0) entropy -= share * Math.log(share);
  }
  return { used, perplexity: total === 0 ? 0 : Math.exp(entropy) };
}

/** Smaller p values are all alike to a reader, and zeros would be untrue. */
const LEAST = 1e-4;
const DIGITS = 4;

/** A p value in a table: "0.2649", "<0.0001"; empty for what is no number. */
export function pValueText(p: number): string {
  if (!Number.isFinite(p)) return '';
  return p < LEAST ? `<${LEAST.toFixed(DIGITS)}` : p.toFixed(DIGITS);
}

/** A p value in a sentence: "p = 0.2649", "p < 0.0001". */
export const pValueStatement = (p: number): string =>
  p < LEAST ? `p < ${LEAST.toFixed(DIGITS)}` : `p = ${pValueText(p)}`;

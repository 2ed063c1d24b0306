import { pValueText } from '../core/index.ts';

/** How a number is shown to people. Tables and axes take it as plain data. */
export interface NumberFormat {
  /** The values are fractions (0.8911) and are shown as percent (89.11); the heading gets the sign. */
  readonly percent?: boolean;
  /** Digits after the point; default: 2 of a percentage, 4 significant digits of other numbers. */
  readonly digits?: number;
  /** Positive numbers get a plus: differences. */
  readonly signed?: boolean;
  /** A p value: four digits, "<0.0001" below. */
  readonly pValue?: boolean;
}

/** A number for people, without its unit; empty for what is no number; what rounds to zero and is more is "<0.0001". */
export function formatNumber(
  value: number,
  { percent = false, digits, signed = false, pValue = false }: NumberFormat,
): string {
  if (pValue) return pValueText(value);
  const shown = percent ? 100 * value : value;
  if (!Number.isFinite(shown)) return '';
  const decimals = digits ?? (percent ? 2 : undefined);
  // toPrecision alone writes 1.235e+5.
  const text = decimals === undefined ? significant(shown) : shown.toFixed(decimals);
  if (shown > 0 && !signed && Number(text) === 0)
    return `<${(10 ** -(decimals ?? MAX_DECIMALS)).toFixed(decimals ?? MAX_DECIMALS)}`;
  const unsigned = /^-0\.?0*$/.test(text) ? text.slice(1) : text;
  return signed && shown > 0 ? `+${unsigned}` : unsigned;
}

const SIGNIFICANT_DIGITS = 4;
const MAX_DECIMALS = 12;

function significant(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(MAX_DECIMALS, Math.max(0, SIGNIFICANT_DIGITS - 1 - magnitude));
  return value.toFixed(decimals);
}

/** A heading with its unit: "top-1 (%)", "latency p50 (ms)". */
export function withUnit(label: string, { percent, unit }: { percent?: boolean; unit?: string }): string {
  const shown = unit ?? (percent ? '%' : undefined);
  return shown === undefined ? label : `${label} (${shown})`;
}

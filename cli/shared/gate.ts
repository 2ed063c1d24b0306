import { type FieldRow, TemperError } from '../../src/core/index.ts';

/** What a gate can ask for, and which way is better. */
const DIRECTIONS: Readonly<Record<string, '>=' | '<='>> = {
  top1: '>=',
  top5: '>=',
  mean_per_class: '>=',
  nll: '<=',
  brier: '<=',
  ece15: '<=',
  img_s_model: '>=',
  img_s_end2end: '>=',
  ms_p50: '<=',
  ms_p95: '<=',
  ms_p99: '<=',
  peak_memory_mb: '<=',
  ...Object.fromEntries(['', '_lo', '_hi'].map((end) => [`top1_difference${end}`, '>='] as const)),
  ...Object.fromEntries(
    ['nll', 'brier', 'ece15'].flatMap((name) =>
      ['', '_lo', '_hi'].map((end) => [`${name}_difference${end}`, '<='] as const),
    ),
  ),
  img_s_ratio: '>=',
  real_top1: '>=',
  real_top5: '>=',
  recall_min: '>=',
};
/** The recall of one class, by its index. */
const CLASS_RECALL = /^recall_\d+$/;
/** Short names that are typed. */
const SHORT: readonly (readonly [RegExp, string])[] = [
  [/^ece(?=_|$)/, 'ece15'],
  [/_diff(?=_|$)/, '_difference'],
];

/** Which way is better; undefined for a field that no gate can ask for. */
function directionOf(field: string): '>=' | '<=' | undefined {
  if (CLASS_RECALL.test(field)) return '>=';
  return Object.hasOwn(DIRECTIONS, field) ? DIRECTIONS[field] : undefined;
}

/** Fields that are fractions: a limit over 1 was meant as a percentage. */
const FRACTIONS = /^(top1|top5|mean_per_class|ece15|recall_.*|real_top[15])(_difference.*)?$/;

export interface Gate {
  readonly text: string;
  readonly field: string;
  readonly operator: '>=' | '<=' | '>' | '<';
  readonly limit: number;
}

const COMPARE: Readonly<Record<Gate['operator'], (a: number, b: number) => boolean>> = {
  '>=': (a, b) => a >= b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '<': (a, b) => a < b,
};

/**
 * Parses `top1>=0.89`, `nll<0.4`, or `top1:0.89` (at least, or at most, whichever is better for the field).
 * @throws TemperError USAGE; a bare field is explained: the shell took the rest for a redirection
 */
export function parseGate(text: string): Gate {
  if (text.trim() === '') {
    throw new TemperError('USAGE', '--gate: an empty condition', {
      hint: "Write --gate 'top1>=0.9'; several are separated by commas.",
    });
  }
  const [, typed = '', operator, number] = /^([a-z0-9_]+)\s*(?:([<>=:]+)(.*))?$/.exec(text.trim()) ?? [];
  const limit = number === undefined || number.trim() === '' ? Number.NaN : Number(number);
  const field = SHORT.reduce((name, [short, long]) => name.replace(short, long), typed);
  const better = directionOf(field);
  const details = { gate: text };
  if (!better) {
    throw new TemperError(
      'USAGE',
      `--gate ${text}: no such field, expected one of ${Object.keys(DIRECTIONS).join(', ')}, recall_CLASS`,
      { details },
    );
  }
  if (operator === undefined) {
    throw new TemperError('USAGE', `--gate ${text}: no limit; a shell reads > and < as redirection`, {
      hint: `Quote it, --gate '${field}${better}0.9', or write --gate ${field}:0.9 (and look for a file named "=0.9" that the shell made).`,
      details,
    });
  }
  if (operator !== ':' && !Object.hasOwn(COMPARE, operator)) {
    throw new TemperError('USAGE', `--gate ${text}: found ${operator}, expected >=, <=, >, < or :`, { details });
  }
  if (!Number.isFinite(limit)) {
    throw new TemperError('USAGE', `--gate ${text}: ${JSON.stringify(number)} is no number`, {
      hint: `Write a plain number, such as ${field}${better}0.9.`,
      details,
    });
  }
  if (Math.abs(limit) > 1 && FRACTIONS.test(field)) {
    throw new TemperError('USAGE', `--gate ${text}: ${field} is a fraction, at most 1`, {
      hint: `Write ${field}${operator}${Number((limit / 100).toPrecision(12))}.`,
      details,
    });
  }
  return { text, field, operator: operator === ':' ? better : (operator as Gate['operator']), limit };
}

/** Whether a gate needs something to compare with. */
export const needsBaseline = ({ field }: Gate): boolean => /_difference|^img_s_ratio$/.test(field);

/** Why a row misses gates; empty if it meets all. A value that was not measured misses. */
export function missedGates(gates: readonly Gate[], row: FieldRow): string[] {
  return gates.flatMap(({ text, field, operator, limit }) => {
    const value = row[field];
    if (typeof value === 'number' && COMPARE[operator](value, limit)) return [];
    return [
      `${String(row.model)}: missed ${text}: ${field} is ${value === undefined ? 'not measured' : String(value)}`,
    ];
  });
}

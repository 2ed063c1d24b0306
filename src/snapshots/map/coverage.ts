import type { Expression, Operand } from './expression.ts';
import { keysOf } from './expression.ts';
import type { Search } from './search.ts';
import type { StateKey } from './state-values.ts';
import { markView } from './view.ts';

/** Which elements of each key some tensor of the template reads. */
export interface Coverage {
  readonly uses: (key: StateKey) => 'all' | 'some' | 'none';
}

function operandsOf(expression: Expression): readonly Operand[] {
  switch (expression.kind) {
    case 'constant':
    case 'folded scale':
    case 'folded bias':
      return [];
    case 'sum':
      return expression.terms;
    case 'joined':
      return expression.parts.flatMap(({ operand }) => operand ?? []);
    default:
      return [expression.of];
  }
}

export function coverageOf({ found }: Search): Coverage {
  const whole = new Set<string>();
  const views = new Map<string, Operand[]>();
  for (const { expression } of found.values()) {
    const operands = operandsOf(expression);
    const partial = new Set(operands.filter(({ view }) => view !== undefined).map(({ key }) => key));
    for (const key of keysOf(expression)) if (!partial.has(key)) whole.add(key);
    for (const operand of operands)
      if (operand.view) views.set(operand.key, [...(views.get(operand.key) ?? []), operand]);
  }
  return {
    uses({ key, count }) {
      if (whole.has(key)) return 'all';
      const parts = views.get(key);
      if (!parts) return 'none';
      const marks = new Uint8Array(count);
      for (const { view } of parts) if (view) markView(view, marks);
      return marks.every((mark) => mark === 1) ? 'all' : 'some';
    },
  };
}

import { TemperError } from '../../core/index.ts';
import type { Candidate } from '../../snapshots/index.ts';
import { usageError } from '../plan/plan-options.ts';
import { fileMatcher } from '../plan/tables.ts';
import { plainRow } from '../rows/row-terms.ts';
import type { Method } from './method.ts';

/** Which snapshot `base` names. @throws USAGE for none, and for a name that several have (`checkpoint-500/model.onnx`, …) */
function anchorOf(snapshots: readonly Candidate[], base: string): number {
  const exact = snapshots.findIndex(({ file, name }) => file === base || name === base);
  if (exact >= 0) return exact;
  const isNamed = fileMatcher([base]);
  const [at, ...others] = snapshots.flatMap((snapshot, i) => (isNamed(snapshot) === 0 ? [i] : []));
  if (at === undefined) throw usageError(`\`base\` ${base} is not among the snapshots`, 'Name one of the inputs.');
  if (others.length > 0)
    throw usageError(`\`base\` ${base} names ${others.length + 1} snapshots`, 'Give its whole path.');
  return at;
}

/**
 * Model Stock: each tensor between the mean of the others and an anchor, as far as their angle says. The plan holds who the anchor is;
 * the ratios follow from the snapshots (stock-ratios.ts).
 * @throws USAGE for an anchor that is not among the snapshots; INPUT_TOO_FEW
 */
export const modelStock: Method = {
  summary: 'Model Stock: each tensor between the mean and an anchor, by the angle of the snapshots seen from it',
  source:
    'Jang, Yun, Han 2024, Model Stock: All we need is just a few fine-tuned models, arXiv 2403.19522, Eq. 3 (any N)',
  options: ['base'],
  impliedBy: ['base'],
  rows: ({ snapshots, note }, { base }) => {
    if (snapshots.length < 3) {
      throw new TemperError(
        'INPUT_TOO_FEW',
        `model-stock: ${snapshots.length} snapshots, expected an anchor and two more`,
        {
          hint: 'Name the anchor (such as the pre-trained weights) and at least two others.',
          details: { found: snapshots.length, expected: 3 },
        },
      );
    }
    const at = base === undefined ? 0 : anchorOf(snapshots, base);
    note(
      `model_stock: the anchor is ${snapshots[at]?.file}; the weights of each tensor follow from the snapshots, the plan shows equal ones`,
    );
    return [{ ...plainRow('model_stock', snapshots.length), kind: 'stock', base: at }];
  },
};

import type { ModelScores } from '../../src/evaluate/index.ts';
import type { SwagRecord } from '../../src/search/index.ts';
import { scoreText } from '../shared/score-text.ts';

/** Does the mean of the samples' predictions lower the NLL? Beyond noise: the interval of the paired difference. */
export function swagVerdict(scores: readonly Pick<ModelScores, 'paired'>[]): string {
  const nll = scores.at(-1)?.paired?.nll;
  if (!nll) return '';
  const change = `${nll.difference.toFixed(4)} (${nll.lo.toFixed(4)} to ${nll.hi.toFixed(4)})`;
  if (nll.hi < 0) return `SWAG lowers the NLL: ${change}\n`;
  if (nll.lo > 0) return `SWAG raises the NLL: ${change}; use the SWA model\n`;
  return `SWAG does not change the NLL beyond noise: ${change}\n`;
}

/** The scores and what they say, if any were measured, and the samples that were written. */
export function swagText({ models, outputs }: SwagRecord): string {
  const measured = models ? `${scoreText(models)}\n${swagVerdict(models)}` : '';
  return `${measured}${outputs.map(({ path, sha256 }) => `${path}  sha256 ${sha256}\n`).join('')}`;
}

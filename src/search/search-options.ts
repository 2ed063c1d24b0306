import { TemperError } from '../core/index.ts';
import type { MeasuringOptions } from './candidate-data.ts';
import { FAMILIES, type Family, type RecipeOptions } from './recipes.ts';
import type { BnMode } from './scorer.ts';

/** What a search tries, and on which images: the same in every worker that shares it. */
export interface SearchPlanOptions
  extends MeasuringOptions,
    Pick<RecipeOptions, 'last' | 'window' | 'decay' | 'sigmaRel'> {
  /** Kinds of averages; single snapshots are always candidates. @default all but 'learned', which takes hundreds of evaluations */
  readonly include?: readonly Exclude<Family, 'single'>[] | undefined;
  /**
   * BatchNormalization statistics of each candidate; `auto` tries all that the network allows.
   * @default 'auto' with `train`, else 'average'
   */
  readonly bn?: BnMode | undefined;
}

/** What `searchAverages` tries, on which images, and where the best goes. */
export interface SearchOptions extends SearchPlanOptions {
  /** The chosen model. */
  readonly out: string;
  /** Replace `out` if it exists. @default false */
  readonly force?: boolean | undefined;
  /**
   * Results that a later search goes on from: a file, or the folder of the results of workers (`searchShard`), a new file of which
   * takes what is evaluated here. @default beside `out`: `<out>.search.jsonl`
   */
  readonly cache?: string | undefined;
  /** Write the best average although it is not better than the best snapshot beyond noise. @default false */
  readonly allowWorse?: boolean | undefined;
}

export const DEFAULT_FAMILIES = FAMILIES.filter((family) => family !== 'learned');

/** What `bn` means for these data. @throws TemperError USAGE */
export function statisticsMode({ bn, train }: Pick<SearchPlanOptions, 'bn' | 'train'>): BnMode {
  const mode = bn ?? (train ? 'auto' : 'average');
  if (mode === 'average' || train) return mode;
  throw new TemperError('USAGE', `\`bn\` ${mode} needs images to measure statistics on`, { hint: 'Give `train` SRC.' });
}

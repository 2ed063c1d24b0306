/** How surely a number in a name counts training, the surest first: `step=1200`, `epoch=3`, `checkpoint-900`, `model_14`. */
type Certainty = 'step' | 'epoch' | 'checkpoint' | 'number';

/** A whole number in a name that may be its step. */
export interface NameNumber {
  /** The letters before it (in lower case) and its place among those with the same letters: what names have in common. */
  readonly slot: string;
  readonly value: number;
  readonly certainty: Certainty;
}

/** Letters before a number that say what it counts. */
const COUNTED: readonly [RegExp, Certainty][] = [
  [/(?:steps?|iters?|iterations?|^its?)$/, 'step'],
  [/(?:epochs?|^eps?|^recovery)$/, 'epoch'],
  [/(?:checkpoints?|ckpts?|chkpts?)$/, 'checkpoint'],
];

/** A measurement: `val_loss=0.23`, `valAcc88`, `top1`, `mAP50-95`. */
const METRIC =
  /(?:loss|acc|accuracy|error|score|metric)$|^(?:top|err|map|m?iou|dice|auc|auroc|f|psnr|ssim|fid|nll|ece|brier|ppl|perplexity|bleu|rouge|wer|cer|mse|mae|rmse|kl|prec|precision|recall|kappa|lr|wd)$/;

/** How a file was made, not when: `_fp16`, `_opset17`, `-op13`, `_bs32`, `_seed3`. */
const SETTING =
  /^(?:fp|bf|float|bfloat|u?int|opset|opv?|ir|quant|batch|bs|seed|fold|rank|gpus?|ver|version|rev|imgsz|img|size|sz|res|px|run|trial|exp)$/;
/** The same by one letter, behind something else: `-v1`, `_w8a8`, `_q4f16`. */
const SETTING_LETTER = /^[vqwafiu]$/;
/** Units behind a number: `8bit`, `224px`. */
const UNIT_BEHIND = /^(?:bits?|px|gpus?)(?![a-z])/i;

/**
 * Runs of digits, with a fraction where they have one; sizes (`224x224`) are one. Of `14.0.237` the first is a number of its own, as tools join number and
 * metric by a dot (`weights.14.0.237`).
 */
const NUMBERS = /\d+(?:x\d+)+|\d+(?=(?:\.\d+\.\d+)+(?!\.?\d))|\d+(?:\.\d+)?(?:e[-+]\d+)?/gi;

interface Token {
  readonly letters: string;
  /** Whether the letters touch the number: `acc1`, not `acc=1`. */
  readonly attached: boolean;
  /** Whether a name begins with the letters, or with the number. */
  readonly first: boolean;
  readonly text: string;
  readonly behind: string;
}

function tokensOf(text: string): Token[] {
  let end = 0;
  return [...text.matchAll(NUMBERS)].map((match) => {
    const before = text.slice(end, match.index);
    end = match.index + match[0].length;
    const letters = /([a-z]+)([^a-z]*)$/i.exec(before);
    return {
      letters: letters?.[1]?.toLowerCase() ?? '',
      attached: letters?.[2] === '',
      first: match.index === (letters?.[0].length ?? 0),
      text: match[0],
      behind: text.slice(end),
    };
  });
}

/** What a number counts: undefined for a setting, a fraction, and what belongs to a metric. */
function certaintyOf(
  { letters, text, behind, attached, first }: Token,
  before: Certainty | 'metric' | undefined,
): Certainty | 'metric' | undefined {
  const counted = COUNTED.find(([pattern]) => pattern.test(letters))?.[1];
  if (counted) return counted;
  if (METRIC.test(letters)) return attached ? 'metric' : undefined;
  // `acc1=88`: the value of what the number before it names; `checkpoint_3_12000` (fairseq) counts updates behind epochs.
  if (letters === '' && before === 'metric') return undefined;
  if (letters === '' && before === 'checkpoint') return 'checkpoint';
  const setting = SETTING.test(letters) || (attached && !first && SETTING_LETTER.test(letters));
  return setting || UNIT_BEHIND.test(behind) || !/^\d+$/.test(text) ? undefined : 'number';
}

/**
 * The numbers of a name that may count training, in their order. Fractions are metrics or widths, and no steps; `epoch=3.0` is 3.
 * @param text a base name without extension, or a folder's name
 */
export function numbersOf(text: string): NameNumber[] {
  const seen = new Map<string, number>();
  let before: Certainty | 'metric' | undefined;
  return tokensOf(text).flatMap((token) => {
    const certainty = certaintyOf(token, before);
    before = certainty;
    const place = (seen.get(token.letters) ?? 0) + 1;
    seen.set(token.letters, place);
    const value = Number(token.text);
    if (certainty === undefined || certainty === 'metric' || !Number.isSafeInteger(value)) return [];
    return [{ slot: `${token.letters} ${place}`, value, certainty }];
  });
}

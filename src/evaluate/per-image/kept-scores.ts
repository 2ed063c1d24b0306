import { type ClassOutput, FLOAT_LIMITS } from '../../runtime/index.ts';
import type { OutputKind } from '../../signature/index.ts';

/** All that a model gave, an image a row, as it gave it. */
export interface KeptScores {
  /** What the values are. */
  readonly outputs: OutputKind;
  /** The type that the model computed: float16, float32 or float64. */
  readonly type: string;
  /** Values of a row; a single one stands for two classes. */
  readonly classes: number;
  /** In the order of the images. */
  rows(): Generator<Float32Array | Float64Array>;
}

/** What a row of values is, beside the values. */
export const SCORE_COLUMNS = ['outputs', 'output_type'] as const;
/** A value's column: `logit_0`, whatever kind of output it is. */
export const scoreColumn = (k: number): string => `logit_${k}`;
export const isScoreColumn = (name: string): boolean => /^logit_\d+$/.test(name);

/** Keeps a model's outputs, batch by batch. Memory: 4 bytes a value (8 of a float64 model). */
export function keepScores() {
  const parts: ClassOutput[] = [];
  return {
    add(output: ClassOutput): void {
      parts.push({ ...output, data: output.data.slice(0, output.rows * output.classes) });
    },
    end(outputs: OutputKind): KeptScores {
      const { classes = 0, smallest } = parts[0] ?? {};
      const [type = 'float32'] = Object.entries(FLOAT_LIMITS).find(([, limits]) => limits.smallest === smallest) ?? [];
      return {
        outputs,
        type,
        classes,
        *rows() {
          for (const { data, rows } of parts) {
            for (let row = 0; row < rows; row++) yield data.subarray(row * classes, (row + 1) * classes);
          }
        },
      };
    },
  };
}

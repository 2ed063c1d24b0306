import { averageInto } from '../../src/average/average-files.ts';
import { chooseTemplate, normalisedRow, planTensors, type TensorRules } from '../../src/average/index.ts';
import type { FloatType } from '../../src/core/index.ts';
import type { Model } from '../../src/onnx/index.ts';

export const RULES: TensorRules = { bn: 'average', onIntMismatch: 'error', match: 'auto' };

export interface InMemory {
  readonly model: Buffer;
  /** Empty where the template has no external data. */
  readonly data: Buffer;
  /** The location that the model names the data by. */
  readonly location: string | undefined;
}

function sink() {
  const pieces: Buffer[] = [];
  let size = 0;
  return {
    get size() {
      return size;
    },
    bytes: () => Buffer.concat(pieces),
    write(bytes: Uint8Array) {
      pieces.push(Buffer.from(bytes));
      size += bytes.length;
    },
    sha256: () => 'a'.repeat(64),
    discard() {},
  };
}

/** The uniform average of opened files, with the product's own planning, without files for the outputs. */
export async function averageInMemory(
  models: readonly Model[],
  options: { dtype?: FloatType; rules?: TensorRules; allowNonfinite?: boolean } = {},
): Promise<InMemory> {
  const templateIndex = chooseTemplate(models);
  const rules = options.rules ?? RULES;
  const [model, data] = [sink(), sink()];
  const [output] = await averageInto(
    {
      models,
      steps: models.map(() => undefined),
      templateIndex,
      plan: planTensors(models, templateIndex, rules),
      rules,
      rows: [
        normalisedRow(
          'uniform',
          models.map(() => 1),
        ),
      ],
      dtype: options.dtype,
      version: '0',
      allowNonfinite: options.allowNonfinite ?? true,
    },
    [{ path: 'out.onnx', openModel: () => model, openData: () => data }],
  );
  return { model: model.bytes(), data: data.bytes(), location: output?.data?.location };
}

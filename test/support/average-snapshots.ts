import { join } from 'node:path';
import { type PlanOptions, averageFiles, chooseTemplate, planRows, planTensors } from '../../src/average/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { candidateOf } from '../../src/snapshots/index.ts';
import { SNAPSHOTS } from './fashion.ts';

const RULES = { bn: 'average', match: 'auto', onIntMismatch: 'error' } as const;

/** Averages the 12 real snapshots into `folder`; returns the outputs' paths, named `<prefix><row>`. */
export async function averageSnapshots(folder: string, options: PlanOptions, prefix = ''): Promise<string[]> {
  const plan = planRows(
    SNAPSHOTS.map((path) => candidateOf(path, 0)),
    options,
  );
  const models = plan.snapshots.map(({ file }) => openModel(file));
  try {
    const templateIndex = chooseTemplate(models);
    const outputs = await averageFiles(
      {
        models,
        steps: plan.snapshots.map(({ step }) => step),
        templateIndex,
        plan: planTensors(models, templateIndex, RULES),
        rules: RULES,
        rows: plan.rows,
        dtype: undefined,
        version: 'test',
        allowNonfinite: false,
      },
      plan.rows.map(({ name }) => join(folder, `${prefix}${name}.onnx`)),
      false,
    );
    return outputs.map(({ path }) => path);
  } finally {
    for (const model of models) model.close();
  }
}

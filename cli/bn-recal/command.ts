import { rmSync } from 'node:fs';
import type { Argv } from 'yargs';
import { chooseLayers, findLayers } from '../../src/batchnorm/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import type { ChosenData } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { stringList } from '../shared/option-values.ts';
import { note } from '../shared/output-options.ts';
import { onePass } from './batch-pass.ts';
import { addMerge } from './merge-command.ts';
import { prepare } from './recalibration-job.ts';
import { checkOptions, RECALIBRATE, type RecalibrateArguments } from './recalibration-options.ts';
import { openGuard, writeResult } from './recalibration-result.ts';
import { levelsPath, sequentialPasses } from './sequential-passes.ts';

async function recalibrate(args: RecalibrateArguments): Promise<void> {
  const signal = interruptSignal();
  const say = (text: string): void => note(args, text);
  const model = openModel(args.model);
  let guardData: ChosenData | undefined;
  try {
    checkOptions(model, args);
    const found = findLayers(model);
    const layers = chooseLayers(found.layers, args.layers === undefined ? [] : stringList(args.layers));
    for (const { name, reason } of found.skipped) say(`${name} is left as it is: ${reason}`);
    guardData = await openGuard(args);
    const job = await prepare(model, args, signal);
    try {
      const { out } = args;
      const levels = args.method === 'sequential' && out !== undefined ? levelsPath(out) : undefined;
      const collected =
        levels !== undefined && out !== undefined
          ? await sequentialPasses(model, layers, job, { ...args, out })
          : await onePass(model, layers, job, args);
      if (!collected) return;
      const written = await writeResult(model, collected, args, guardData, signal);
      if (levels === undefined) return;
      if (written) rmSync(levels, { force: true });
      else say(`the statistics are kept in ${levels}: the same command goes on from there`);
    } finally {
      await job.dataset.close();
    }
  } finally {
    await guardData?.dataset.close();
    model.close();
  }
}

function addBnRecal(parser: Argv): Argv {
  return parser.command(
    '$0 <model>',
    'Recompute BatchNormalization statistics over a data set, after averaging or for another size or domain',
    (y) =>
      y
        .positional('model', {
          type: 'string',
          demandOption: true,
          describe: 'ONNX model with BatchNormalization kept',
        })
        .options(RECALIBRATE)
        .example(
          '$0 swa.onnx --data train/ --augment rrc,flip --out swa-bn.onnx',
          'on the views that it was trained with',
        )
        .example(
          '$0 swa.onnx --data train/ --size 288 --guard-data val/ --out swa-288.onnx',
          'for another size, if that is better',
        ),
    async (args) => recalibrate(args as unknown as RecalibrateArguments),
  );
}

/** bn-recal with its subcommand. */
export function addBnRecalCommands(parser: Argv): Argv {
  return addMerge(addBnRecal(parser));
}

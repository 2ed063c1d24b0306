import type { Argv } from 'yargs';
import { findLayers, measure, mergeMomentsFiles, readMomentsFile } from '../../src/batchnorm/index.ts';
import { TemperError, openFile } from '../../src/core/index.ts';
import { modelSha256, openModel } from '../../src/onnx/index.ts';
import type { ChosenData } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { note } from '../shared/output-options.ts';
import { imagesOf } from './batch-pass.ts';
import { checkResult, MERGE, type MergeArguments } from './recalibration-options.ts';
import { openGuard, writeResult } from './recalibration-result.ts';

async function merge(args: MergeArguments): Promise<void> {
  if (args.out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  const signal = interruptSignal();
  const model = openModel(args.model);
  const sources = args.moments.map(openFile);
  let guardData: ChosenData | undefined;
  try {
    checkResult(model, [args.out, args.csv], args);
    guardData = await openGuard(args);
    const merged = mergeMomentsFiles(sources.map(readMomentsFile));
    const sha256 = await modelSha256(model);
    if (sha256 !== merged.run.model_sha256) {
      throw new TemperError(
        'MISMATCH_VALUE',
        `${args.model}: is not the model that the moments are of (SHA-256 ${sha256}, expected ${merged.run.model_sha256})`,
        {
          hint: 'Name the model that the workers were given.',
          details: { path: args.model, found: sha256, expected: merged.run.model_sha256 },
        },
      );
    }
    if (merged.processors.length > 1) {
      note(
        args,
        `the workers ran on ${merged.processors.join(' and ')}: bytes may differ from those of one worker by roundings`,
      );
    }
    const wanted = new Set(merged.run.layers.map(({ name }) => name));
    const layers = findLayers(model).layers.filter(({ name }) => wanted.has(name));
    const measured = measure(layers, args.estimator, merged.batches());
    await writeResult(
      model,
      { measured, run: merged.run, images: imagesOf(merged.batches()) },
      { ...args, method: 'batch' },
      guardData,
      signal,
    );
  } finally {
    await guardData?.dataset.close();
    for (const source of sources) source.close();
    model.close();
  }
}

/** The subcommand that puts workers' moments together. */
export function addMerge(parser: Argv): Argv {
  return parser.command(
    'merge <moments..>',
    'Put the moments of all workers together: the bytes that one worker would have written',
    (y) =>
      y
        .positional('moments', { type: 'string', array: true, demandOption: true, describe: 'Files of --moments-out' })
        .options(MERGE)
        .example('$0 merge parts/*.safetensors --model swa.onnx --out swa-bn.onnx', ''),
    async (args) => merge(args as unknown as MergeArguments),
  );
}

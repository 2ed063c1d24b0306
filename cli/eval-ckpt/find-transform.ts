import { checkOutputs, TemperError } from '../../src/core/index.ts';
import { findTransform } from '../../src/evaluate/index.ts';
import { DEFAULT_PATTERN, expandInputs } from '../../src/snapshots/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { flagText } from '../shared/flag-text.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { finalistFields, foundPage } from './found-page.ts';
import { foundSentence, foundText } from './found-text.ts';
import { checkFinding, type EvalCkptArguments, findTransformOptions } from './options.ts';

/** eval-ckpt --find-transform. */
export async function evalFindTransform(args: EvalCkptArguments, terminal: Terminal): Promise<number> {
  checkFinding(args);
  const [model, ...others] = expandInputs(args.models, DEFAULT_PATTERN, () => false);
  if (model === undefined || others.length > 0) {
    throw new TemperError(
      'USAGE',
      `${model === undefined ? 0 : others.length + 1} models, expected one with --find-transform`,
      {
        hint: 'Name one model: each has a preprocessing of its own.',
      },
    );
  }
  const { csv, report, force, data, labels, classes } = args;
  if (report !== undefined) reportFormat(report);
  assertCsvName(csv);
  const isNamed = (path: string | undefined): path is string => path !== undefined;
  checkOutputs([csv, report].filter(isNamed), [model, data, labels, classes].filter(isNamed), force);
  const record = await findTransform(findTransformOptions(args, model), terminal.control);
  const { verdict, warnings, labelled, finalists, tried, failed, images, verdictImages, runs, evaluations } = record;
  writeCsv(csv, finalists.map(finalistFields), { force }, terminal);
  if (report !== undefined) {
    writeReport(report, foundPage(record, terminal.commandLine), force);
    terminal.wrote(report, 'report');
  }
  terminal.print(
    {
      find_transform: {
        ...{
          model,
          verdict,
          labelled,
          sentence: foundSentence(record),
          n_images: images,
          n_verdict_images: verdictImages,
        },
        warnings: warnings.map(flagText),
        ...{ n_tried: tried, n_failed: failed, runs, evaluations },
        finalists: finalists.map(finalistFields),
      },
    },
    record,
    foundText,
  );
  return 0;
}

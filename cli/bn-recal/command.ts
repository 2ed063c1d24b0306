import { fileCandidates, recalibrate } from '../../src/batchnorm/index.ts';
import { controlOf, TemperError } from '../../src/core/index.ts';
import { templateOptions } from '../shared/template-options.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type BnRecalArguments, recalibrateOptions } from './options.ts';
import { checkFiles, showRecord } from './result.ts';
import { candidatesText } from './text.ts';

/** A worker measures: it has no result to make tables and pages of. @throws TemperError USAGE */
function checkWorker({ out, csv, report, 'moments-out': moments }: BnRecalArguments): void {
  if (out !== undefined || moments === undefined) return;
  const [idle] = Object.entries({ csv, report }).find(([, path]) => path !== undefined) ?? [];
  if (idle === undefined) return;
  throw new TemperError('USAGE', `--${idle} has no use without --out`, { hint: 'Give it to bn-recal merge.' });
}

/** `--dry-run`: the layers, and why. */
async function listLayers(args: BnRecalArguments, terminal: Terminal): Promise<number> {
  const { model, layers = [] } = args;
  const candidates = await fileCandidates({ model, ...templateOptions(args) }, layers, controlOf(terminal.control));
  terminal.print({ model, candidates }, candidates, candidatesText);
  return 0;
}

export async function bnRecal(args: BnRecalArguments, terminal: Terminal): Promise<number> {
  if (args['dry-run']) return listLayers(args, terminal);
  checkWorker(args);
  checkFiles(
    args,
    [
      ...[
        args.model,
        args.template,
        args['template-of'],
        args.data,
        args.labels,
        args.classes,
        args.val,
        args['val-labels'],
        args.reference,
      ],
      ...(args.ingredients ?? []),
    ],
    args['moments-out'],
  );
  const record = await recalibrate(recalibrateOptions(args, terminal.environment), terminal.control);
  return showRecord(record, args, terminal);
}

import { mergeMoments } from '../../src/batchnorm/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type BnRecalMergeArguments, mergeMomentsOptions } from './merge-options.ts';
import { checkFiles, showRecord } from './result.ts';

export async function bnRecalMerge(args: BnRecalMergeArguments, terminal: Terminal): Promise<number> {
  const options = mergeMomentsOptions(args);
  checkFiles(args, [
    args.model,
    args.template,
    args['template-of'],
    ...args.moments,
    args.classes,
    args.val,
    args['val-labels'],
  ]);
  return showRecord(await mergeMoments(options, terminal.control), args, terminal);
}

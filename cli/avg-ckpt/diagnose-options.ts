import type { DiagnoseOptions } from '../../src/average/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { grouped } from '../shared/option-values.ts';
import { TALK } from '../shared/output-options.ts';
import { TEMPLATE, templateOptions } from '../shared/template-options.ts';
import { SELECTION, SNAPSHOT_INPUTS, selectionOf, TENSORS, tensorsOf } from './average-options.ts';

/** avg-ckpt diagnose: whether snapshots belong together. */
export const DIAGNOSE = describeCommand({
  usage: '<inputs..>',
  positionals: SNAPSHOT_INPUTS,
  options: { ...TALK, ...SELECTION, ...grouped('Which snapshots:', TEMPLATE), ...TENSORS },
  examples: [['$0 run/', 'distances and angles between the snapshots of a run']],
});

export type DiagnoseArguments = ArgumentsOf<typeof DIAGNOSE>;

/** The words as the job takes them. */
export function diagnoseOptions(args: DiagnoseArguments): DiagnoseOptions {
  return { inputs: args.inputs, ...selectionOf(args), ...tensorsOf(args), ...templateOptions(args) };
}

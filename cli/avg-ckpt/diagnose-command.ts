import { diagnose as diagnoseSnapshots } from '../../src/average/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type DiagnoseArguments, diagnoseOptions } from './diagnose-options.ts';
import { diagnosisText } from './diagnose-text.ts';

export async function diagnose(args: DiagnoseArguments, terminal: Terminal): Promise<number> {
  const diagnosis = await diagnoseSnapshots(diagnoseOptions(args), terminal.control);
  terminal.print(diagnosis, diagnosis, diagnosisText);
  return 0;
}

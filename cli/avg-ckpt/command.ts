import { averageCheckpoints, planAverage } from '../../src/average/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type AvgCkptArguments, averageOptions } from './options.ts';
import { averagesText, planText } from './text.ts';

export async function avgCkpt(args: AvgCkptArguments, terminal: Terminal): Promise<number> {
  const options = averageOptions(args);
  if (args['dry-run']) {
    const plan = await planAverage(options, terminal.control);
    terminal.print({ averages: plan.averages, ...(plan.map ? { map: plan.map } : {}) }, plan, planText);
    return 0;
  }
  const record = await averageCheckpoints(options, terminal.control);
  for (const { path, average, data } of record.outputs) {
    if (data) terminal.wrote(data.path, `weights of ${average}`);
    terminal.wrote(path, average);
  }
  terminal.print({ outputs: record.outputs }, record, averagesText);
  return 0;
}

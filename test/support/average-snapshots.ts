import { renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type AveragingOptions, averageCheckpoints } from '../../src/average/index.ts';
import { SNAPSHOTS } from './fashion.ts';

/** Averages the 12 real snapshots into `folder`; returns the outputs' paths, named `<prefix><row>`. */
export async function averageSnapshots(folder: string, options: AveragingOptions, prefix = ''): Promise<string[]> {
  const outDir = join(folder, `${prefix}averages`);
  const { outputs } = await averageCheckpoints({ inputs: SNAPSHOTS, ...options, outDir });
  return outputs.map(({ path }) => {
    const named = join(folder, prefix + basename(path));
    renameSync(path, named);
    return named;
  });
}

import { checkpointTargets } from './checkpoints.ts';
import { datasetTargets } from './datasets.ts';
import { modelTargets } from './models.ts';
import { ownFileTargets } from './own-files.ts';
import type { HostileTarget } from './target.ts';

/** Every sort of file that is read. @param root a folder for what is made once */
export async function hostileTargets(root: string): Promise<HostileTarget[]> {
  return [...modelTargets(), ...checkpointTargets(), ...(await datasetTargets()), ...(await ownFileTargets(root))];
}

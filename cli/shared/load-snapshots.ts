export { planFiles } from '../../src/average/index.ts';
export { isAverage, leaveOutAverages, withModels } from '../../src/snapshots/index.ts';

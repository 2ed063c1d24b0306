import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Twelve snapshots of one run, oldest first. */
export const CHECKPOINTS = fileURLToPath(new URL('../../../fixtures/fashion/checkpoints', import.meta.url));
export const SNAPSHOTS: readonly string[] = readdirSync(CHECKPOINTS)
  .sort()
  .map((name) => join(CHECKPOINTS, name));

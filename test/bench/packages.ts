import { spawnSync } from 'node:child_process';

/** Whether a Python has packages, without importing them; says so where it has not. */
export function hasPackages(python: string, ...names: readonly string[]): boolean {
  const code = 'import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, sys.argv[1:])))';
  const found = spawnSync(python, ['-c', code, ...names], { stdio: 'ignore' }).status === 0;
  if (!found) console.log(`skipped: ${python} does not have ${names.join(' and ')}`);
  return found;
}

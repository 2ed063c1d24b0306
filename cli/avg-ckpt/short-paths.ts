import { dirname, sep } from 'node:path';

/** Paths for a table: without the folder that they share, which `heading` says once (a line, or nothing). */
export function shortPaths(paths: readonly string[]): { readonly heading: string; readonly names: readonly string[] } {
  const [first = [], ...others] = paths.map((path) => dirname(path).split(sep));
  const differing = first.findIndex((part, i) => others.some((other) => other[i] !== part));
  const folder = (differing < 0 ? first : first.slice(0, differing)).join(sep);
  if (folder === '' || folder === '.') return { heading: '', names: paths };
  return { heading: `snapshots in ${folder}:\n`, names: paths.map((path) => path.slice(folder.length + sep.length)) };
}

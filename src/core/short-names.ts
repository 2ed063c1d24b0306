/** A path's parts, whichever way its slashes lean. */
const partsOf = (path: string): string[] => path.split(/[/\\]/);

const distinct = (names: readonly string[]): boolean => new Set(names).size === names.length;

/** Of paths that end alike, the folders between what all begin with and what all end with; undefined if one has none. */
function differingFolders(paths: readonly string[]): string[] | undefined {
  const all = paths.map(partsOf);
  const [first = []] = all;
  const shortest = Math.min(...all.map(({ length }) => length));
  let head = 0;
  while (head < shortest && all.every((parts) => parts[head] === first[head])) head++;
  let tail = 0;
  while (tail < shortest - head && all.every((parts) => parts.at(-1 - tail) === first.at(-1 - tail))) tail++;
  const names = all.map((parts) => parts.slice(head, parts.length - tail).join('/'));
  return names.includes('') ? undefined : names;
}

/**
 * What files are called in tables: their names; the folders that tell them apart where all have one name
 * (`checkpoint-500/model.onnx`, `checkpoint-1000/model.onnx`); their paths where some have.
 */
export function shortNames(paths: readonly string[]): string[] {
  const names = paths.map((path) => partsOf(path).at(-1) ?? path);
  if (distinct(names)) return names;
  const folders = new Set(names).size === 1 ? differingFolders(paths) : undefined;
  return folders && distinct(folders) ? folders : [...paths];
}

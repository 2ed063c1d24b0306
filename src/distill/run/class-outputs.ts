import { TemperError } from '../../core/index.ts';
import type { ClassMap } from '../../data/index.ts';

/**
 * Which of a network's outputs each class of the data is, by the names that both have. Where the data has no names, the
 * map's names are its class numbers ("0", "1", …), all of them.
 * @returns for class k of the data the index of the output
 * @throws TemperError MISMATCH_VALUE for a class that the map does not name
 */
export function classOutputs(map: ClassMap, classes: readonly string[] | undefined): number[] {
  const names = classes ?? Array.from({ length: map.indexOf.size }, (_, i) => String(i));
  return names.map((name) => {
    const index = map.indexOf.get(name);
    if (index !== undefined) return index;
    throw new TemperError('MISMATCH_VALUE', `${map.path}: class map: does not name the data's class ${name}`, {
      hint: classes
        ? "List each class name of the data with the index of the network's output: `name<TAB>index`."
        : 'The data has class numbers alone: list `0<TAB>index`, `1<TAB>index`, … for all of them.',
      details: { path: map.path, class: name },
    });
  });
}

import { TemperError } from '../core/index.ts';
import {
  mapRows,
  mapSummary,
  openState,
  type StateChoice,
  type TemplateOptions,
  withTemplate,
} from '../snapshots/index.ts';
import { type Described, fact, factsOf, problemOf } from './inspected.ts';

export type MapOptions = TemplateOptions & { readonly template: string; readonly state?: StateChoice | undefined };

/** What the map says, or what keeps it from being one. */
export type DescribedMap = Pick<Described, 'facts' | 'map' | 'notes' | 'contradictions'>;

/**
 * How the tensors of a template follow from a checkpoint, as averages, bn-recal and search will take them. What is not explained
 * is a contradiction between the two files.
 * @throws TemperError INPUT_*, FORMAT_*, USAGE
 */
export async function describeMap(path: string, options: MapOptions): Promise<DescribedMap> {
  const notes: string[] = [];
  const note = (text: string): void => {
    notes.push(text);
  };
  const table = openState(path, { state: options.state });
  try {
    return await withTemplate(options, { tables: [table], all: [table] }, { note }, ({ prove }): DescribedMap => {
      const map = prove();
      const { tensors, within_rounding: bounded } = mapSummary(map);
      const said = `the map, proved on ${map.reference.path}`;
      const counts = Object.entries(tensors).map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')}`);
      return {
        facts: factsOf({
          mapped_tensors: fact(counts, said),
          proof: fact(
            bounded === 0 ? 'every tensor to the bit' : `${bounded} within rounding, the others to the bit`,
            said,
          ),
        }),
        map: mapRows(map),
        notes,
      };
    });
  } catch (error) {
    if (error instanceof TemperError && error.code.startsWith('MISMATCH_'))
      return { notes, contradictions: [problemOf(error)] };
    throw error;
  } finally {
    table.close();
  }
}

import { expressionText } from './expression.ts';
import type { StateMap } from './make-map.ts';

/** How a tensor of a template follows from the state dict. */
export interface MappedTensor {
  readonly tensor: string;
  readonly dims: readonly number[];
  readonly expression: string;
  /** Whether the checkpoint of the template gives its values bit by bit; else how far they are, in units in the last place. */
  readonly exact: boolean;
  readonly units: number;
}

/** What a file says of the map that it was made by: counts of tensors by how they follow from the state dict. */
export interface MapSummary {
  readonly sha256: string;
  readonly tensors: Readonly<Record<string, number>>;
  readonly within_rounding: number;
}

/** The map as rows of a table. */
export function mapRows({ entries }: StateMap): MappedTensor[] {
  return entries.map(({ tensor: { name, dims }, expression, proof }) => ({
    tensor: name,
    dims,
    expression: expressionText(expression),
    exact: proof.exact,
    units: proof.worst,
  }));
}

/** Counts of a map's tensors by how they follow from the state dict. */
export function mapSummary({ entries, sha256 }: StateMap): MapSummary {
  const tensors: Record<string, number> = {};
  for (const { expression } of entries) {
    const kind = expression.kind.replaceAll(' ', '_');
    tensors[kind] = (tensors[kind] ?? 0) + 1;
  }
  return { sha256, tensors, within_rounding: entries.filter(({ proof }) => !proof.exact).length };
}

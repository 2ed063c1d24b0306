import type { Expression, MapEntry } from '../../snapshots/index.ts';

/** An entry of a map whose expression is of a kind. */
export type EntryOf<K extends Expression['kind']> = MapEntry & {
  readonly expression: Extract<Expression, { readonly kind: K }>;
};

/** A BatchNormalization that was folded into a layer, by the tensors of the template that hold it. */
export interface KnownFold {
  readonly weight: EntryOf<'folded weight'> | EntryOf<'folded scale'>;
  readonly bias: EntryOf<'folded bias'>;
}

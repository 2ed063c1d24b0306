import { freeNames } from '../graph/free-names.ts';
import type { Model, NodeRecord, TensorRecord } from '../read/model.ts';
import type { Edit } from './edit.ts';
import { appendInitializer, replaceInline, rewireInput } from './edits.ts';
import type { NewTensor } from './encode.ts';

/** What is to become of a model, before a byte of it is written. */
export interface Rewrite {
  readonly edits: readonly Edit[];
  /** Tensors that the edits give values in the model file: what they had in external data is left behind. */
  readonly inline: ReadonlySet<TensorRecord>;
}

/** A rewrite that is being put together. */
export interface Rewriter extends Rewrite {
  add(edits: Iterable<Edit>): void;
  /** A name that nothing in the model has: the wanted one, or one like it. */
  freeName(wanted: string): string;
  /** Appends an initializer to the main graph, under the name that it has or a free one. @returns the name */
  append(tensor: NewTensor): string;
  /**
   * Gives an input of a node new stored values: in place where nothing else reads the tensor behind it, else as an
   * initializer of its own, named as `values` say, so that the others keep theirs.
   * @returns the name of that initializer; undefined where the values were replaced in place
   */
  replace(
    node: NodeRecord,
    slot: number,
    stored: { readonly tensor: TensorRecord; readonly exclusive: boolean },
    values: Omit<NewTensor, 'dims'>,
  ): string | undefined;
}

export function rewriter(model: Model): Rewriter {
  const freeName = freeNames(model);
  const edits: Edit[] = [];
  const inline = new Set<TensorRecord>();
  const append = (tensor: NewTensor): string => {
    const name = freeName(tensor.name);
    edits.push(...appendInitializer(model, model.record.graph, { ...tensor, name }));
    return name;
  };
  return {
    edits,
    inline,
    add(more) {
      for (const edit of more) edits.push(edit);
    },
    freeName,
    append,
    replace(node, slot, { tensor, exclusive }, values) {
      if (exclusive) {
        edits.push(...replaceInline(tensor, values.bytes));
        inline.add(tensor);
        return undefined;
      }
      const name = append({ ...values, dims: tensor.dims });
      edits.push(rewireInput(node, slot, name));
      return name;
    },
  };
}

import { addNodeOutputs, addOutputs, type Edit, insertNode } from '../onnx/index.ts';
import type { BatchNormLayer } from './find-layers.ts';

interface Moment {
  readonly name: string;
  readonly dataType: number;
}

/**
 * Hands moments of a layer in branches of If on to the main graph: as outputs of its branch, of the node, and so on. The
 * other branch gives zeros, a shape of zeros too.
 * @param none values of zeros in place of the moments, of the main graph
 * @returns what the moments are in the main graph, and the edits
 */
export function handedOut(
  { branches }: BatchNormLayer,
  moments: readonly Moment[],
  none: readonly string[],
): { values: readonly Moment[]; edits: Edit[] } {
  let values = moments;
  const edits = branches.toReversed().flatMap(({ node, graph }, i) => {
    const others = node.attributes.flatMap(({ graphs }) => graphs).filter((other) => other !== graph);
    const empty = values.map(({ name, dataType }) => ({ name: `${name}.none`, dataType }));
    const own = [
      addOutputs(graph, values),
      ...others.flatMap((other) => [
        ...empty.map(({ name }, k) =>
          insertNode(other, { opType: 'Identity', inputs: [none[k] as string], outputs: [name] }),
        ),
        addOutputs(other, empty),
      ]),
    ];
    values = values.map(({ name, dataType }) => ({ name: `${name}.if${i}`, dataType }));
    return [
      ...own,
      addNodeOutputs(
        node,
        values.map(({ name }) => name),
      ),
    ];
  });
  return { values, edits };
}

import { attributeOf, type GraphIndex, type Inlined, type Model, type NodeRecord, type Origin } from '../onnx/index.ts';
import { type Branch, bodyParameter, COMPUTED, type LayerParameter, parameterOf } from './layer-parameters.ts';
import { nodeName, placesOf } from './layer-places.ts';

export interface SkippedLayer {
  readonly name: string;
  readonly reason: string;
}

/** Why a layer in a subgraph cannot be observed: a branch is run once or not at all, any other body any number of times. */
function hidden(branches: readonly Branch[], { origins }: Inlined): string | undefined {
  const [outer] = branches;
  if (outer && origins.has(outer.node)) return 'it lies in a subgraph of a function';
  const other = branches.find(({ node: { opType, domain } }) => opType !== 'If' || domain !== '');
  return other && `it lies in the body of a ${other.node.opType}, which runs any number of times`;
}

/** Where a layer's statistics lie in the file, and what they are called there; text: why they cannot be replaced. */
export interface LayerInFile {
  readonly node: NodeRecord;
  readonly branches: readonly Branch[];
  /** As in BatchNormLayer. */
  readonly place: string;
  readonly mean: LayerParameter;
  readonly variance: LayerParameter;
  /** Its name where the calls of a function share its statistics. */
  readonly body: string | undefined;
}

function inBody(index: GraphIndex, origin: Origin, { calledInside }: Inlined): LayerInFile | string {
  const [mean, variance] = [bodyParameter(index, origin, 3), bodyParameter(index, origin, 4)];
  if (typeof mean === 'string') return mean;
  if (typeof variance === 'string') return variance;
  if (mean.depth !== variance.depth) return 'its mean and variance are stored in different functions';
  const { node, calls } = origin;
  const holder = calls[mean.depth - 1]?.body;
  if (holder && calledInside.has(holder)) return `a subgraph calls its function ${holder.name}, too`;
  const way = [...calls.slice(mean.depth).map((call) => call.node), node];
  const body = holder && [holder.name, ...way.slice(0, -1).map(nodeName), nodeName(node)].join('/');
  const place = JSON.stringify([
    ...(holder ? [holder.domain, holder.name, holder.overload] : []),
    ...way.map(({ outputs }) => outputs[0]),
  ]);
  return { node, branches: [], place, mean: mean.parameter, variance: variance.parameter, body };
}

/** The nodes of a file by those of its copy, but for what was in functions. */
function nodesInFile(copy: Model, { nodes, producer }: GraphIndex, { origins }: Inlined) {
  const found = new Map<NodeRecord, readonly [NodeRecord, readonly Branch[]]>();
  const own = new Set(nodes);
  for (const node of copy.record.graph.nodes) {
    const before = origins.has(node) ? undefined : producer(node.outputs[0] ?? '');
    if (!before || !own.has(before)) continue;
    const places = [...placesOf({ message: before.message, nodes: [before] })];
    for (const [i, [one]] of [...placesOf({ message: node.message, nodes: [node] })].entries())
      found.set(one, places[i] as (typeof places)[number]);
  }
  return found;
}

/** Finds where the layers of a copy have their statistics in the file; text: why they cannot be measured, or replaced. */
export function fileFinder(model: Model, inlined: Inlined, index: GraphIndex) {
  const nodes = inlined.model === model ? new Map<never, never>() : nodesInFile(inlined.model, index, inlined);
  return (node: NodeRecord, branches: readonly Branch[]): LayerInFile | string => {
    const reason = hidden(branches, inlined);
    if (reason !== undefined) return reason;
    if (attributeOf(node, 'spatial')?.i === 0n) return 'spatial=0: statistics per position, which no runtime computes';
    const origin = inlined.origins.get(node);
    if (origin) return inBody(index, origin, inlined);
    const [before, around] = nodes.get(node) ?? [node, branches];
    const [mean, variance] = [3, 4].map((slot) => parameterOf(index, before, slot, around));
    if (!mean || !variance) return COMPUTED;
    return {
      ...{ node: before, branches: around, mean, variance, body: undefined },
      place: JSON.stringify(node.outputs),
    };
  };
}

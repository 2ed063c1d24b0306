import { writeFileSync } from 'node:fs';
import proto from 'onnx-proto';
import { decodeModel } from './model-builder.ts';

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);

type Graph = NonNullable<ReturnType<typeof decodeModel>['graph']>;

/** The convolution that a BatchNormalization can be folded into: what stands right before it, and serves it alone. */
function convBefore(graph: Graph, value: string | undefined) {
  const conv = graph.node!.find(({ output }) => output?.[0] === value);
  const readers = graph.node!.filter(({ input }) => input?.includes(value ?? ''));
  return conv?.opType === 'Conv' && readers.length === 1 ? conv : undefined;
}

/**
 * Folds what can be folded. Without payloads (torchvision's graphs before they are filled) the structure alone is made.
 * @param round after each step: nothing for float64 rounded once, `Math.fround` for the order of torch's exporter
 * @returns the names of the BatchNormalization nodes that went, and of those that stay
 */
export function foldGraph(
  graph: Graph,
  biasName = (weight: string): string => `${weight}.bias`,
  round = (value: number): number => value,
) {
  const tensors = graph.initializer!;
  const same = new Map(
    graph.node!.filter(({ opType }) => opType === 'Identity').map(({ input, output }) => [output![0], input![0]]),
  );
  const find = (name: string | undefined) => tensors.find((tensor) => tensor.name === (same.get(name) ?? name))!;
  const [folded, kept]: [string[], string[]] = [[], []];
  for (const norm of graph.node!.filter(({ opType }) => opType === 'BatchNormalization')) {
    const [input, ...parameters] = norm.input!;
    const conv = convBefore(graph, input);
    (conv ? folded : kept).push(norm.output![0] as string);
    if (!conv) continue;
    const weight = find(conv.input![1]);
    const channels = Number(weight.dims![0]);
    const epsilon = norm.attribute?.find(({ name }) => name === 'epsilon')?.f ?? 1e-5;
    let shift = new Float32Array(channels);
    if (weight.rawData && weight.rawData.length > 0) {
      const [scale, bias, mean, variance] = parameters.map((name) => floats(find(name).rawData!)) as [
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const a = Array.from(scale, (value, c) => round(value / round(Math.sqrt(round(variance[c]! + epsilon)))));
      const old = floats(weight.rawData);
      const each = old.length / channels;
      weight.rawData = new Uint8Array(Float32Array.from(old, (value, i) => value * a[Math.floor(i / each)]!).buffer);
      const before = conv.input![2] ? floats(find(conv.input![2]).rawData!) : new Float32Array(channels);
      shift = Float32Array.from(bias, (value, c) => value + round(a[c]! * round(before[c]! - mean[c]!)));
    }
    const name = biasName(conv.input![1] as string);
    tensors.push({ name, dims: [channels], dataType: 1, rawData: new Uint8Array(shift.buffer) } as (typeof tensors)[0]);
    conv.input = [conv.input![0]!, conv.input![1]!, name];
    conv.output = norm.output!;
    graph.node = graph.node!.filter((node) => node !== norm);
  }
  const read = new Set(graph.node!.flatMap(({ input }) => input ?? []));
  graph.node = graph.node!.filter(({ opType, output }) => opType !== 'Identity' || read.has(output![0] as string));
  const used = new Set(graph.node.flatMap(({ input }) => input ?? []));
  graph.initializer = tensors.filter(({ name }) => used.has(name ?? ''));
  return { folded, kept };
}

/** What an exporter does by default: every BatchNormalization becomes a part of the convolution before it. */
export function foldBatchNorms(from: string, to: string, round?: (value: number) => number): string {
  const model = decodeModel(from);
  foldGraph(model.graph!, undefined, round);
  writeFileSync(to, proto.onnx.ModelProto.encode(model).finish());
  return to;
}

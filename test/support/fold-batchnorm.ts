import { writeFileSync } from 'node:fs';
import proto from 'onnx-proto';
import { decodeModel } from './model-builder.ts';

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);

/** What an exporter does by default: every BatchNormalization becomes a part of the convolution before it. */
export function foldBatchNorms(from: string, to: string): string {
  const model = decodeModel(from);
  const graph = model.graph!;
  const tensors = graph.initializer!;
  const same = new Map(
    graph.node!.filter(({ opType }) => opType === 'Identity').map(({ input, output }) => [output![0], input![0]]),
  );
  const values = (name: string): Float32Array =>
    floats(tensors.find((tensor) => tensor.name === (same.get(name) ?? name))!.rawData!);
  for (const norm of graph.node!.filter(({ opType }) => opType === 'BatchNormalization')) {
    const [input, ...parameters] = norm.input!;
    const conv = graph.node!.find(({ output }) => output?.[0] === input)!;
    const [scale, bias, mean, variance] = parameters.map(values) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const a = Array.from(scale, (value, c) => value / Math.sqrt(variance[c]! + 1e-5));
    const weight = tensors.find(({ name }) => name === conv.input![1])!;
    const old = floats(weight.rawData!);
    const each = old.length / a.length;
    weight.rawData = new Uint8Array(Float32Array.from(old, (value, i) => value * a[Math.floor(i / each)]!).buffer);
    const shift = Float32Array.from(bias, (value, c) => value - a[c]! * mean[c]!);
    const name = `${conv.input![1]}.bias`;
    tensors.push({ name, dims: [a.length], dataType: 1, rawData: new Uint8Array(shift.buffer) } as (typeof tensors)[0]);
    conv.input = [...conv.input!, name];
    conv.output = norm.output!;
  }
  graph.node = graph.node!.filter(({ opType }) => opType !== 'BatchNormalization' && opType !== 'Identity');
  const read = new Set(graph.node.flatMap(({ input }) => input ?? []));
  graph.initializer = tensors.filter(({ name }) => read.has(name ?? ''));
  writeFileSync(to, proto.onnx.ModelProto.encode(model).finish());
  return to;
}

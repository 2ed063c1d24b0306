import type { FoldableLayer } from './foldable-layer.ts';

/** What the names of a layer's weight and bias say. */
export interface Trace {
  /** Whether a BatchNormalization was folded in; undefined where names do not tell. */
  readonly folded: boolean | undefined;
  readonly text: string;
}

/** Names that exporters give to what folding leaves. */
const FOLDED: readonly { readonly weight: RegExp; readonly bias: RegExp; readonly text: string }[] = [
  // torch's TorchScript exporter numbers what it computed, but keeps the names of parameters.
  {
    weight: /^onnx::\w+_\d+$/,
    bias: /^onnx::\w+_\d+$/,
    text: "weight and bias have numbers, as torch's exporter calls what it folded",
  },
  // tf2onnx.
  { weight: /fused_bn/, bias: /fused_bn/, text: 'weight and bias are called fused_bn, as tf2onnx does' },
];

/** Whether a bias is the layer's own, as its module or the framework calls it. */
function isOwn(weight: string, bias: string): boolean {
  const own = /^(.+)\.bias$/s.exec(bias)?.[1];
  if (own !== undefined) return weight === `${own}.weight` || /^onnx::/.test(weight);
  // TensorFlow and Keras, through tf2onnx.
  return /BiasAdd\/ReadVariableOp/.test(bias) && !/fused_bn/.test(weight);
}

/** What exporters' names tell of a layer with a bias. */
export function traceOf({ weight, bias }: FoldableLayer): Trace {
  // Quantizers add to the names of what they quantize.
  const [w, b] = [weight.name, bias?.name ?? ''].map((name) => name.replace(/_quantized$/, '')) as [string, string];
  // torch's exporter since 2.9 (onnxscript) keeps the weight's name.
  if (b === `${w}_bias`)
    return { folded: true, text: 'its bias is called after its weight, as torch does when it folds' };
  const form = FOLDED.find((one) => one.weight.test(w) && one.bias.test(b));
  if (form) return { folded: true, text: form.text };
  if (isOwn(w, b)) return { folded: false, text: `its bias ${b} is its own, by name: nothing was folded into it` };
  return { folded: undefined, text: 'it has a bias, as folding leaves, and its names do not say whose' };
}

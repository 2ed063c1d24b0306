import type { ModelRecord } from '../onnx/index.ts';

/** Operators of quantized networks, by what they make of a network. */
const FORMS: readonly (readonly [form: string, operators: RegExp])[] = [
  ['scales from each batch', /^(DynamicQuantize|MatMulInteger|ConvInteger)/],
  ['operators on codes', /^(QLinear|QGemm|QAttention)/],
  ['weights in blocks', /^MatMulNBits|^MatMulBnb4|^GatherBlockQuantized/],
  ['QuantizeLinear and DequantizeLinear', /^(Quantize|Dequantize)Linear$/],
];

/** How a network is quantized; undefined for one that is not. */
export function quantization({ graph: { nodes } }: ModelRecord): string | undefined {
  const forms = FORMS.flatMap(([form, operators]) => {
    const count = nodes.filter(({ opType }) => operators.test(opType)).length;
    return count === 0 ? [] : [`${form} (${count})`];
  });
  return forms.length === 0 ? undefined : forms.join(', ');
}

import type { ModelRecord, NodeRecord } from '../read/model.ts';

/**
 * The export that keeps BatchNormalization, by exporter (torch 2.13: each form keeps all layers, where the default folds them; its
 * newer exporter is the default since 2.9).
 */
export const KEEP_NORMS =
  'Export with BatchNormalization kept: model.eval(), then torch.onnx.export(..., optimize=False); before torch 2.9, or with dynamo=False: torch.onnx.export(..., training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False). tf2onnx, and Keras through it, always folds: bn-recal takes such files.';

/** Convolutions of ONNX, and those that onnxruntime writes when it optimizes. */
const CONVOLUTIONS: ReadonlySet<string> = new Set(['Conv', 'FusedConv', 'NhwcFusedConv']);

/** What onnxruntime leaves of a graph that it optimized and saved. */
const isOptimized = ({ domain, opType }: NodeRecord): boolean =>
  domain === 'com.microsoft.nchwc' || (domain === 'com.microsoft' && /^(Nhwc)?Fused/.test(opType));

/**
 * Whether BatchNormalization may have been folded into the convolutions of a main graph that has none: by the exporter, or by
 * onnxruntime, when it optimized and saved the file.
 */
export function foldedNorms({ graph: { nodes } }: ModelRecord): 'exporter' | 'onnxruntime' | undefined {
  if (nodes.some(({ opType }) => opType === 'BatchNormalization')) return undefined;
  if (!nodes.some(({ opType, inputs }) => CONVOLUTIONS.has(opType) && inputs.length > 2)) return undefined;
  return nodes.some(isOptimized) ? 'onnxruntime' : 'exporter';
}

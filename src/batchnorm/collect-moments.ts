import { TemperError } from '../core/index.ts';
import type { Session, Tensor } from '../runtime/index.ts';
import { imageInput } from '../signature/index.ts';
import type { BatchNormLayer } from './find-layers.ts';
import type { MomentsGraph } from './moments-graph.ts';

/** Moments of one layer's input over one batch, as the runtime gave them. */
export interface LayerMoments {
  /** Values per channel. */
  readonly count: number;
  readonly mean: Float32Array | Float64Array;
  /** Biased. */
  readonly variance: Float32Array | Float64Array;
}

export interface BatchMoments {
  /** Index of the batch in the whole job. */
  readonly batch: number;
  readonly images: number;
  readonly layers: readonly LayerMoments[];
}

/** A batch of images ready for the network, with its place in the whole job. */
export interface NumberedBatch {
  readonly batch: number;
  readonly images: Tensor;
}

function checkFinite(layer: BatchNormLayer, batch: number, what: string, values: Float32Array | Float64Array): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  throw new TemperError(
    'NUMERIC_NONFINITE',
    `${layer.name}: the ${what} of channel ${bad} in batch ${batch} is ${values[bad]}`,
    {
      hint: 'Check the weights (avg-ckpt diagnose finds NaN) and the normalisation of the input; float16 activations may overflow.',
      details: { layer: layer.name, batch, channel: bad },
    },
  );
}

/** Runs one batch through a moments graph. @throws TemperError NUMERIC_NONFINITE by layer and batch; EXECUTION_* */
export async function momentsOfBatch(
  session: Session,
  graph: MomentsGraph,
  layers: readonly BatchNormLayer[],
  { batch, images }: NumberedBatch,
): Promise<BatchMoments> {
  const rows = images.dims[0] ?? 0;
  const { outputs } = await session.run({ [imageInput(session).name]: images });
  return {
    batch,
    images: rows,
    layers: graph.outputs.map((names, i) => {
      const layer = layers[i] as BatchNormLayer;
      const mean = (outputs[names.mean] as Tensor).data as Float32Array | Float64Array;
      const variance = (outputs[names.variance] as Tensor).data as Float32Array | Float64Array;
      const [n = 0n, channels = 0n, positions = 0n] = (outputs[names.shape] as Tensor).data as BigInt64Array;
      // A branch that was not taken gives an empty shape.
      if (n === 0n && channels === 0n && layer.branches.length > 0) return { count: 0, mean, variance };
      // BatchNorm1d over tokens: [N, T, C] as [N·T, C] is several rows of each image.
      if (Number(channels) !== layer.channels || Number(n) % rows !== 0) {
        throw new TemperError(
          'EXECUTION_OUTPUT',
          `${layer.name}: its input is [${n}, ${channels}, ${positions}] for ${rows} images, expected [${rows}, ${layer.channels}, …]`,
          {
            hint: 'A constant Reshape before the layer mixes images: export with dynamic axes, or use the `batch` of the export.',
            details: { layer: layer.name, batch },
          },
        );
      }
      checkFinite(layer, batch, 'mean', mean);
      checkFinite(layer, batch, 'variance', variance);
      return { count: Number(n * positions), mean, variance };
    }),
  };
}

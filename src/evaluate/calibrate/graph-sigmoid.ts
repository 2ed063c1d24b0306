import { DATA_TYPE, encodeModel } from '../../onnx/index.ts';
import { openSession, type RuntimeOptions, sessionOptions } from '../../runtime/index.ts';
import { calibratedScores } from './fit.ts';
import type { LogitsPlace } from './head.ts';
import type { LogitRows } from './logit-rows.ts';
import type { Calibration } from './write-calibration.ts';

const IR_VERSION = 8;
const OPSET = 13;
const ROWS = 'rows';

/** What a Sigmoid of float32 gives, as the provider computes it: it is exact to some 1e-7 only, which ln(p / (1 - p)) near 0 and 1 magnifies. */
async function sigmoidOfGraph(scores: Float64Array, options: RuntimeOptions): Promise<Float64Array> {
  const dataType = DATA_TYPE.float32;
  const model = encodeModel({
    irVersion: IR_VERSION,
    opset: OPSET,
    nodes: [{ opType: 'Sigmoid', inputs: ['z'], outputs: ['p'] }],
    initializers: [],
    inputs: [{ name: 'z', dataType, dims: [ROWS] }],
    outputs: [{ name: 'p', dataType, dims: [ROWS] }],
  });
  const session = await openSession({ model, label: 'Sigmoid', ...sessionOptions(options) });
  try {
    const data = Float32Array.from(scores);
    const { outputs } = await session.run({ z: { type: 'float32', dims: [data.length], data } });
    return Float64Array.from(outputs.p?.data as Float32Array);
  } finally {
    await session.close();
  }
}

/** What the Sigmoid of a graph will give of calibrated logits, with the arithmetic of float32 where the graph has it. */
export async function calibratedSigmoids(
  logits: LogitRows,
  by: Calibration,
  { dataType }: LogitsPlace,
  options: RuntimeOptions,
): Promise<Float64Array> {
  if (dataType === DATA_TYPE.float32) return sigmoidOfGraph(calibratedScores(logits, by, Math.fround), options);
  return calibratedScores(logits, by).map((z) => 1 / (1 + Math.exp(-z)));
}

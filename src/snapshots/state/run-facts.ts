import { decodeFloat64, type FloatType, TemperError } from '../../core/index.ts';
import { entriesOf, isTensor, type PickleDict, type PickleTensor, type PickleValue } from '../pickle/pickle-value.ts';
import type { StateFacts, StateType } from '../state-table.ts';
import type { UnnamedTensor } from './candidate.ts';

/** Under which keys trainers say these, the surest first. */
const EPOCH_KEYS = ['epoch', 'current_epoch', 'epochs'];
const STEP_KEYS = ['global_step', 'step', 'steps', 'iteration', 'iter', 'num_updates', 'current_step', 'current_iter'];
const METRIC_KEYS = [
  ...['metric', 'score', 'val_metric', 'val_top1', 'val_acc1', 'val_acc', 'val_accuracy'],
  ...['top1', 'acc1', 'acc', 'accuracy', 'val_loss', 'eval_loss', 'loss'],
];

const FLOATS: Readonly<Partial<Record<StateType, FloatType>>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

type Locate = (tensor: PickleTensor) => UnnamedTensor;

/** The value of a tensor of one element, as trainers keep metrics; undefined for others, and where it is not there. */
function elementOf(tensor: PickleTensor, locate: Locate): number | undefined {
  if (tensor.dims.some((dim) => dim !== 1)) return undefined;
  try {
    const { type, open } = locate(tensor);
    const cursor = open();
    const bytes = new Uint8Array(cursor.byteLength);
    cursor.read(bytes);
    const float = FLOATS[type];
    const value = new Float64Array(1);
    if (float) decodeFloat64(float, bytes, 1, value);
    return float ? value[0] : type === 'I64' ? Number(Buffer.from(bytes).readBigInt64LE()) : undefined;
  } catch (error) {
    // A number beside the weights: whether it can be read decides nothing.
    if (error instanceof TemperError) return undefined;
    throw error;
  }
}

function firstNumber(
  entries: PickleDict,
  keys: readonly string[],
  locate: Locate,
): { name: string; value: number } | undefined {
  for (const name of keys) {
    const found = entries.get(name);
    const value = found !== undefined && isTensor(found) ? elementOf(found, locate) : found;
    if (typeof value === 'number' && Number.isFinite(value)) return { name, value };
  }
  return undefined;
}

/** Lightning's ModelCheckpoint: what it monitors, as it was when the file was written. */
function monitored(root: PickleDict, locate: Locate): StateFacts['metric'] {
  for (const [name, value] of entriesOf(root.get('callbacks')) ?? []) {
    const callback = typeof name === 'string' && name.startsWith('ModelCheckpoint') ? entriesOf(value) : undefined;
    const monitor = callback?.get('monitor');
    const score = callback && firstNumber(callback, ['current_score'], locate);
    if (typeof monitor === 'string' && score) return { name: monitor, value: score.value };
  }
  return undefined;
}

/** Facts without those that are not there. */
export function factsOf(epoch: number | undefined, step: number | undefined, metric: StateFacts['metric']): StateFacts {
  return {
    ...(epoch !== undefined && epoch >= 0 ? { epoch } : {}),
    ...(step !== undefined && step >= 0 ? { step } : {}),
    ...(metric ? { metric } : {}),
  };
}

/** Epoch, step and metric as a checkpoint says them at its top, or under `meta` (OpenMMLab). */
export function runFacts(root: PickleValue, locate: Locate): StateFacts {
  const top = entriesOf(root);
  if (!top) return {};
  const places = [top, entriesOf(top.get('meta'))].filter((place) => place !== undefined);
  const find = (keys: readonly string[]) =>
    places.map((place) => firstNumber(place, keys, locate)).find((one) => one !== undefined);
  return factsOf(find(EPOCH_KEYS)?.value, find(STEP_KEYS)?.value, monitored(top, locate) ?? find(METRIC_KEYS));
}

/** A parameter that is trained, and its momentum. Both float32, as torch keeps them. */
export interface Slot {
  readonly values: Float32Array;
  readonly velocity: Float32Array;
}

export interface SgdOptions {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/**
 * One step of torch.optim.SGD without dampening and Nesterov: v ← μ v + (g + λ w), w ← w - lr v. (From v = 0 the first
 * step is torch's, which begins with v = g + λ w.) Computed in float64, stored in float32.
 */
export function sgdStep({ values, velocity }: Slot, gradient: ArrayLike<number>, options: SgdOptions): void {
  const { lr, momentum, weightDecay } = options;
  for (let i = 0; i < values.length; i++) {
    const w = values[i] as number;
    const v = momentum * (velocity[i] as number) + (gradient[i] as number) + weightDecay * w;
    velocity[i] = v;
    values[i] = w - lr * v;
  }
}

/** torch's BatchNorm: running ← (1 - m) running + m batch. */
const RUNNING_MOMENTUM = 0.1;

export function updateRunning(running: Float32Array, batch: ArrayLike<number>, factor = 1): void {
  for (let c = 0; c < running.length; c++) {
    running[c] = (1 - RUNNING_MOMENTUM) * (running[c] as number) + RUNNING_MOMENTUM * factor * (batch[c] as number);
  }
}

export const SCHEDULES = ['step', 'cosine'] as const;
export type Schedule = (typeof SCHEDULES)[number];

/** StepLR(30, 0.1) of the reference. */
const STEP = { epochs: 30, factor: 0.1 };

/** The rate of an epoch, from 0: constant for 30 epochs and then a tenth, or half a cosine down to 0. */
export function rateOf(schedule: Schedule, lr: number, epoch: number, epochs: number): number {
  if (schedule === 'step') return lr * STEP.factor ** Math.floor(epoch / STEP.epochs);
  return (lr * (1 + Math.cos((Math.PI * epoch) / epochs))) / 2;
}

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCheckpoint, writeCheckpoint } from '../../../src/fixres/train/checkpoint.ts';
import { type FitOptions, fit } from '../../../src/fixres/train/fit.ts';
import type { Trainer, TrainState } from '../../../src/fixres/train/train.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
let files = 0;
const fresh = (): string => join(folder, `${files++}.safetensors`);

const start = (): TrainState => ({
  parameters: new Map([['w', Float32Array.of(1, 2)]]),
  velocities: new Map([['w', Float32Array.of(0, 0)]]),
  epochs: 0,
});

/** Each epoch adds its number to the first weight, and halves the velocity plus one. */
const trainer: Trainer = {
  async epoch(state) {
    state.epochs++;
    const [w, v] = [state.parameters.get('w')!, state.velocities.get('w')!];
    w[0] = w[0]! + state.epochs;
    v[0] = v[0]! / 2 + 1;
    return { epoch: state.epochs, lr: 0.1, train_loss: 1 / state.epochs };
  },
  async close() {},
};

/** Validation losses by the number of epochs done. */
const validateBy = (nll: readonly number[]) => async (state: TrainState) => ({ top1: 0.5, nll: nll[state.epochs]! });
const OPTIONS: FitOptions = { epochs: 5, run: 'run', checkpoint: undefined, patience: undefined, validate: undefined };
const numbers = ({ parameters, velocities, epochs }: TrainState) => [
  [...parameters.get('w')!],
  [...velocities.get('w')!],
  epochs,
];

test('a run that goes on from a checkpoint ends as the undisturbed one', async () => {
  const whole = await fit(trainer, start(), OPTIONS);
  const checkpoint = fresh();
  await fit(trainer, start(), { ...OPTIONS, epochs: 2, checkpoint });
  const resumed = await fit(trainer, readCheckpoint(checkpoint, 'run', start())!, OPTIONS);
  assert.deepEqual(numbers(resumed.state), numbers(whole.state));
  assert.deepEqual(resumed.history, whole.history);
  assert.equal(whole.epoch, 5);
});

test('patience: stops after so many epochs without a lower NLL, and gives the best', async () => {
  const validate = validateBy([3, 2, 1, 1.5, 1, 0.5]);
  const { state, history, epoch } = await fit(trainer, start(), { ...OPTIONS, patience: 2, validate });
  assert.deepEqual([epoch, history.length, history.map(({ val_nll }) => val_nll)], [2, 4, [2, 1, 1.5, 1]]);
  assert.deepEqual([...state.parameters.get('w')!], [1 + 1 + 2, 2]);
});

test('patience: a run that only gets worse gives the weights that it began with', async () => {
  const { state, epoch, history } = await fit(trainer, start(), {
    ...OPTIONS,
    patience: 3,
    validate: validateBy([1, 2, 3, 4, 5, 6]),
  });
  assert.deepEqual([epoch, history.length, [...state.parameters.get('w')!]], [0, 3, [1, 2]]);
});

test('patience goes on from a checkpoint: the best epoch is remembered', async () => {
  const validate = validateBy([3, 1, 2, 2, 2, 2]);
  const checkpoint = fresh();
  await fit(trainer, start(), { ...OPTIONS, patience: 3, validate, epochs: 2, checkpoint });
  const resumed = await fit(trainer, readCheckpoint(checkpoint, 'run', start())!, {
    ...OPTIONS,
    patience: 3,
    validate,
  });
  assert.deepEqual([resumed.epoch, resumed.history.length, [...resumed.state.parameters.get('w')!]], [1, 4, [2, 2]]);
});

test('an interrupt between epochs leaves the checkpoint of the last whole one', async () => {
  const [checkpoint, controller] = [fresh(), new AbortController()];
  const onEpoch = ({ epoch }: { epoch: number }): void => {
    if (epoch === 2) controller.abort(new Error('stop'));
  };
  await assert.rejects(fit(trainer, start(), { ...OPTIONS, checkpoint, onEpoch, signal: controller.signal }), /stop/);
  assert.equal(readCheckpoint(checkpoint, 'run', start())?.state.epochs, 2);
});

test('checkpoints of other runs, and files that are none, are refused; another run is discarded on request', () => {
  const checkpoint = fresh();
  assert.equal(readCheckpoint(checkpoint, 'run', start()), undefined);
  writeCheckpoint(checkpoint, { run: 'run', state: start(), history: [], best: undefined });
  assert.match(
    assertFails(() => readCheckpoint(checkpoint, 'other', start()), 'MISMATCH_VALUE').message,
    /another run/,
  );
  assert.equal(readCheckpoint(checkpoint, 'other', start(), true), undefined);
  const longer = { ...start(), parameters: new Map([['w', new Float32Array(3)]]) };
  assert.match(
    assertFails(() => readCheckpoint(checkpoint, 'run', longer), 'MISMATCH_VALUE').message,
    /2 values, expected 3/,
  );
  const bytes = readFileSync(checkpoint);
  writeFileSync(checkpoint, bytes.subarray(0, bytes.length - 3));
  assertFails(() => readCheckpoint(checkpoint, 'run', start()), 'FORMAT_TRUNCATED');
  writeFileSync(checkpoint, 'no checkpoint');
  assertFails(() => readCheckpoint(checkpoint, 'run', start()), 'FORMAT_LIMIT');
  assert.equal(readCheckpoint(checkpoint, 'run', start(), true), undefined);
  assert.ok(existsSync(checkpoint));
});

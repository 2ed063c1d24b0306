import assert from 'node:assert/strict';
import test from 'node:test';
import { type Environment, parseShard } from '../../../../cli/shared/shard-option.ts';
import { expandBraces } from '../../../../src/data/index.ts';

const slurm = (id: number, min: number, max: number, step: number, count: number): Environment => ({
  SLURM_ARRAY_TASK_ID: String(id),
  SLURM_ARRAY_TASK_MIN: String(min),
  SLURM_ARRAY_TASK_MAX: String(max),
  SLURM_ARRAY_TASK_STEP: String(step),
  SLURM_ARRAY_TASK_COUNT: String(count),
});
const job: Environment = { JOB_COMPLETION_INDEX: '2' };

test('shards: given, of a Slurm array, of a Kubernetes indexed job', () => {
  assert.deepEqual(parseShard('0/1', {}), { index: 0, count: 1 });
  assert.deepEqual(parseShard('3/4', slurm(1, 1, 2, 1, 2)), { index: 3, count: 4 });
  assert.deepEqual(parseShard('env', slurm(7, 1, 10, 3, 4)), { index: 2, count: 4 });
  assert.deepEqual(parseShard('env/4', slurm(7, 1, 10, 3, 4)), { index: 2, count: 4 });
  assert.deepEqual(parseShard('env', slurm(5, 5, 5, 1, 1)), { index: 0, count: 1 });
  assert.deepEqual(parseShard('env/5', job), { index: 2, count: 5 });
});

test('shards that are refused', () => {
  const cases: [string, Environment, RegExp][] = [
    ['4/4', {}, /worker 4 of 4/],
    ['0/0', {}, /worker 0 of 0/],
    ['1', {}, /not a shard/],
    ['-1/4', {}, /not a shard/],
    ['a/b', {}, /not a shard/],
    ['env', {}, /neither/],
    ['env/4', {}, /neither/],
    ['env', job, /does not know/],
    ['env/2', job, /worker 2 of 2/],
    ['env/2', { JOB_COMPLETION_INDEX: 'x' }, /JOB_COMPLETION_INDEX is "x"/],
    ['env', { ...job, ...slurm(0, 0, 1, 1, 2) }, /both/],
    ['env', { SLURM_ARRAY_TASK_ID: '1' }, /SLURM_ARRAY_TASK_MIN is not set/],
    ['env', slurm(7, 1, 9, 1, 3), /no range/],
    ['env', slurm(2, 1, 10, 3, 4), /no range/],
    ['env/5', slurm(7, 1, 10, 3, 4), /4 tasks, not 5/],
  ];
  for (const [text, env, message] of cases) {
    assert.throws(() => parseShard(text, env), { code: 'USAGE', message }, text);
  }
});

test('braces expand as in a shell', () => {
  assert.deepEqual(expandBraces('a-{008..011}.tar'), ['a-008.tar', 'a-009.tar', 'a-010.tar', 'a-011.tar']);
  assert.deepEqual(expandBraces('{a,b}-{0..1}'), ['a-0', 'a-1', 'b-0', 'b-1']);
  assert.deepEqual(expandBraces('{9..10}'), ['9', '10']);
  assert.deepEqual(expandBraces('plain.tar'), ['plain.tar']);
  assert.throws(() => expandBraces('{x}'), { code: 'USAGE' });
});

// The README's training loop, run as it stands: a tiny torch student learns from stored targets.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fashionPixels, pngs } from '../support/dataset-files.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { findPython, lacksPython } from '../support/python.ts';
import { runProgram, TEACHER_LOGITS } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const IMAGES = 300;
const folder = tempFolder();

/** The first Python block of a section of the README. */
function snippet(section: string): string {
  const [, text = ''] = readFileSync('README.md', 'utf8').split(`\n## ${section}\n`);
  const [, code = ''] = /```python\n([\s\S]*?)```/.exec(text) ?? [];
  return code;
}

const PRELUDE = `import torch
torch.set_num_threads(1)
torch.manual_seed(1)
epochs = 6
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(400, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), 0.01)
`;

for (const [name, ...form] of [
  ['dense', '--augment', 'rrc,flip', '--scale', '0.5,1', '--views', '3'],
  ['top-3', '--augment', 'flip', '--views', '2', '--top-k', '3'],
] as const) {
  test(`the README's loop runs as it stands, and the loss falls: ${name}`, {
    skip: lacksPython('torch', 'PIL', 'numpy'),
  }, async (context) => {
    const work = join(folder, name);
    mkdirSync(join(work, 'train'), { recursive: true });
    for (const [i, png] of (await pngs(fashionPixels(IMAGES))).entries())
      writeFileSync(join(work, 'train', `${String(i).padStart(4, '0')}.png`), png);
    const args = [
      ...[
        SNAPSHOTS.at(-1) as string,
        '--data',
        join(work, 'train'),
        '--format',
        'flat',
        '--out',
        join(work, 'targets'),
      ],
      ...['--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353', '--device', 'cpu', ...form],
    ];
    const made = runProgram(TEACHER_LOGITS, args);
    assert.equal(made.status, 0, made.stderr);
    copyFileSync('python/onnx_temper_targets.py', join(work, 'onnx_temper_targets.py'));
    const code = snippet('Training on stored targets');
    assert.match(code, /kl_div/);
    writeFileSync(join(work, 'train.py'), PRELUDE + code);
    const { status, stdout, stderr } = spawnSync(findPython('torch', 'PIL', 'numpy') as string, ['train.py'], {
      cwd: work,
      encoding: 'utf8',
      env: { ...process.env, OMP_WAIT_POLICY: 'passive', OMP_NUM_THREADS: '1' },
    });
    assert.equal(status, 0, stderr);
    const losses = [...stdout.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
    context.diagnostic(losses.join(' '));
    assert.equal(losses.length, 6);
    assert.ok((losses.at(-1) as number) < 0.6 * (losses[0] as number), losses.join(' '));
  });
}

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints } from '../../src/average/index.ts';
import { findPython, lacksPython } from '../support/python.ts';
import { tempFolder } from '../support/temp-folder.ts';

const CHECK = `
import sys, torch
from safetensors.torch import load_file
run, out = sys.argv[1:]
states = [torch.load(f'{run}/checkpoint-{epoch}.pth.tar', weights_only=False)['state_dict'] for epoch in (1, 2, 3)]
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3); self.bn = torch.nn.BatchNorm2d(4)
        self.head = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(4, 5))
average = load_file(out)
net = Net()
print(net.load_state_dict(average, strict=True))
for name, last in states[-1].items():
    mean = (sum(state[name].double() for state in states) / 3).to(last.dtype) if last.is_floating_point() else last
    assert torch.equal(average[name], mean) and torch.equal(net.state_dict()[name], mean), name
`;

const skip = lacksPython('torch', 'safetensors');

test('torch loads an average of checkpoints strictly, and finds its own float64 mean in it', { skip }, async () => {
  const out = join(tempFolder(), 'swa.safetensors');
  const run = 'fixtures/trainer/run';
  await averageCheckpoints({ inputs: [run], state: 'model', out });
  const { status, stdout, stderr } = spawnSync(findPython('torch', 'safetensors') ?? '', ['-c', CHECK, run, out], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /All keys matched/);
});

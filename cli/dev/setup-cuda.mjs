// Fetches onnxruntime's CUDA libraries (from NuGet, some 300 MB), which the default set-up skips: most machines don't
// need them, and without a connection the package's own install script fails.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const platform = `${process.platform}/${process.arch}`;
const SUPPORTED = ['linux/x64'];

function run(file, args) {
  execFileSync(process.execPath, [file, ...args], { cwd: root, stdio: 'inherit' });
}

if (!SUPPORTED.includes(platform)) {
  console.error(
    `onnxruntime-node has CUDA libraries for ${SUPPORTED.join(', ')}, this is ${platform}: use --device cpu.`,
  );
  process.exit(5);
}
run(join('cli', 'dev', 'prepare.mjs'), []);
try {
  run(join('node_modules', 'onnxruntime-node', 'script', 'install.js'), ['--onnxruntime-node-install=cuda12']);
} catch {
  console.error(
    'The CUDA libraries could not be fetched: check the connection to NuGet (behind a proxy: GLOBAL_AGENT_HTTPS_PROXY), then run again.',
  );
  process.exit(7);
}
console.error('CUDA libraries are in place. CUDA 12 and cuDNN 9 must be installed; try: npx eval-ckpt … --device cuda');

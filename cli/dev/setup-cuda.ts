/**
 * Puts onnxruntime's CUDA libraries in place, which the default set-up skips: from NuGet (some 300 MB), or with `--from` from a
 * folder or an npm package. Then says which libraries of the machine are missing.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { TemperError } from '../../src/core/index.ts';
import { missingCudaLibraries, nativeFolder } from '../../src/runtime/index.ts';
import { takeLibraries } from './cuda-libraries.ts';

const SUPPORTED = ['linux/x64'];

/** onnxruntime-node's folder and version. */
function binding(): { readonly folder: string; readonly version: string } {
  const path = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  const { version } = createRequire(import.meta.url)(path) as { version: string };
  return { folder: dirname(path), version };
}

function fetchLibraries(folder: string): void {
  try {
    execFileSync(process.execPath, [join(folder, 'script', 'install.js'), '--onnxruntime-node-install=cuda12'], {
      stdio: 'inherit',
    });
  } catch (cause) {
    throw new TemperError('EXECUTION_PROVIDER', 'the CUDA libraries could not be fetched', {
      hint: 'Check the connection to NuGet (behind a proxy: GLOBAL_AGENT_HTTPS_PROXY), then run again; or name a folder or an npm package: npm run setup:cuda -- --from PATH',
      cause,
    });
  }
}

function setUp(): void {
  const { from } = parseArgs({ options: { from: { type: 'string' } } }).values;
  const platform = `${process.platform}/${process.arch}`;
  if (!SUPPORTED.includes(platform)) {
    throw new TemperError(
      'EXECUTION_PROVIDER',
      `onnxruntime-node has CUDA libraries for ${SUPPORTED.join(', ')}, this is ${platform}`,
      {
        hint: 'Use --device cpu.',
      },
    );
  }
  const { folder, version } = binding();
  if (from === undefined) fetchLibraries(folder);
  else {
    const written = takeLibraries(from, nativeFolder(), version);
    console.error(
      written.length > 0
        ? `took ${written.join(', ')} of onnxruntime ${version}`
        : 'the same libraries are in place already',
    );
  }
  const missing = missingCudaLibraries();
  console.error(
    missing.length === 0
      ? 'CUDA libraries are in place, and all that they need is found; try: npx eval-ckpt … --device cuda'
      : `CUDA libraries are in place; not found on this machine: ${missing.join(', ')}. ${missing.includes('libcuda.so.1') ? 'Install the NVIDIA driver (libcuda). ' : ''}Put the folders of CUDA and cuDNN 9 on LD_LIBRARY_PATH.`,
  );
}

try {
  setUp();
} catch (error) {
  if (!(error instanceof TemperError)) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
  console.error(`error: ${error.message}\n  hint: ${error.hint}`);
  process.exit(error.exitCode);
}

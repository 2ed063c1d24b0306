import { spawnSync } from 'node:child_process';

/** ONNX_TEMPER_PYTHON names another interpreter than python3. */
export const PYTHON = process.env.ONNX_TEMPER_PYTHON ?? 'python3';

/** False where Python has these modules, or why a test is skipped: what node:test takes as `skip`. */
export function lacksPython(...modules: readonly string[]): string | false {
  const { status } = spawnSync(PYTHON, ['-c', `import ${modules.join(', ')}`]);
  return status === 0 ? false : `${PYTHON} has no ${modules.join(', ')}`;
}

/** Runs a script of test/conformance/peers; what it prints is JSON. */
export function runPeer<T>(script: string, ...args: readonly string[]): T {
  const { status, stdout, stderr } = spawnSync(PYTHON, [`test/conformance/peers/${script}`, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, OMP_WAIT_POLICY: 'passive', PYTHONDONTWRITEBYTECODE: '1' },
  });
  if (status !== 0) throw new Error(`${script} ${args.join(' ')}: exit ${status}\n${stderr}`);
  return JSON.parse(stdout) as T;
}


import { spawnSync } from 'node:child_process';

/** ONNX_TEMPER_PYTHON names another interpreter than those of the PATH and of the system. */
const INTERPRETERS = [process.env.ONNX_TEMPER_PYTHON ?? 'python3', '/usr/bin/python3'];

const found = new Map<string, string | undefined>();

/** A Python that has these modules. */
export function findPython(...modules: readonly string[]): string | undefined {
  const imports = `import ${modules.join(', ')}`;
  if (!found.has(imports)) {
    found.set(
      imports,
      INTERPRETERS.find((python) => spawnSync(python, ['-c', imports]).status === 0),
    );
  }
  return found.get(imports);
}

/** False where a Python has these modules, or why a test is skipped: what node:test takes as `skip`. */
export function lacksPython(...modules: readonly string[]): string | false {
  return findPython(...modules) === undefined ? `no Python with ${modules.join(', ')}` : false;
}

/** Runs a Python script; what it prints is JSON. */
function runPython<T>(python: string, args: readonly string[], cwd = process.cwd()): T {
  const { status, stdout, stderr } = spawnSync(python, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, OMP_WAIT_POLICY: 'passive', PYTHONDONTWRITEBYTECODE: '1' },
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: exit ${status}\n${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Runs a script of test/conformance/peers with a Python that has these modules. */
export function runPeerWith<T>(modules: readonly string[], script: string, ...args: readonly string[]): T {
  const python = findPython(...modules);
  if (python === undefined) throw new Error(`no Python with ${modules.join(', ')}`);
  return runPython(python, [`test/conformance/peers/${script}`, ...args]);
}

/** Runs a script of test/conformance/peers with a Python that has numpy, or numpy and Pillow. */
export function runPeer<T>(script: string, ...args: readonly string[]): T {
  const python = findPython('numpy', 'PIL') ?? findPython('numpy');
  if (python === undefined) throw new Error('no Python with numpy');
  return runPython(python, [`test/conformance/peers/${script}`, ...args]);
}

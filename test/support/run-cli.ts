import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built programs. */
export const AVG_CKPT = fileURLToPath(new URL('../../cli/bin/avg-ckpt.js', import.meta.url));
export const EVAL_CKPT = fileURLToPath(new URL('../../cli/bin/eval-ckpt.js', import.meta.url));
export const BN_RECAL = fileURLToPath(new URL('../../cli/bin/bn-recal.js', import.meta.url));
export const RES_SWEEP = fileURLToPath(new URL('../../cli/bin/res-sweep.js', import.meta.url));
export const TEACHER_LOGITS = fileURLToPath(new URL('../../cli/bin/teacher-logits.js', import.meta.url));
export const FIX_RES = fileURLToPath(new URL('../../cli/bin/fix-res.js', import.meta.url));
export const ONNX_TEMPER = fileURLToPath(new URL('../../cli/bin/onnx-temper.js', import.meta.url));

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runProgram(program: string, args: readonly string[], cwd = process.cwd()): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd, encoding: 'utf8' });
  return { status, stdout, stderr };
}

export const avgCkptIn = (cwd: string, ...args: readonly string[]): CliResult => runProgram(AVG_CKPT, args, cwd);
export const avgCkpt = (...args: readonly string[]): CliResult => runProgram(AVG_CKPT, args);

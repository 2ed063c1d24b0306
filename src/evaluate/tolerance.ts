import type { Session } from '../runtime/index.ts';
import type { ValueInfo } from '../signature/index.ts';

/**
 * Differences that are none, relative to a row's range of logits: float32 sums in another order on the CPU; TF32 and other
 * kernels on an accelerator. Networks that compute in float16 differ by several of its roundings.
 */
const TOLERANCES: Readonly<Record<string, number>> = { cpu: 2e-5, cuda: 5e-3, 'cuda+tf32': 5e-3, webgpu: 5e-3 };
const HALF_TOLERANCE = 1e-2;

/**
 * How far logits of the same image may lie apart, relative to their range.
 * @param before the provider that made those it is compared with
 */
export function logitTolerance(
  { session, output }: { readonly session: Pick<Session, 'provider'>; readonly output: Pick<ValueInfo, 'type'> },
  before: string = session.provider,
): number {
  const half = output.type === 'float16' ? HALF_TOLERANCE : 0;
  return Math.max(half, ...[before, session.provider].map((provider) => TOLERANCES[provider] ?? HALF_TOLERANCE));
}

import type { ValueInfo } from '../signature/index.ts';
import { emptyLike, joinRows } from './batch-rows.ts';
import type { RunResult } from './protocol.ts';
import type { Session } from './session.ts';
import type { Tensor, Tensors } from './tensor.ts';

/** Pieces of exactly `fixed` rows; the last is filled up with its last row. */
function* pieces({ type, dims, data }: Tensor, fixed: number): Generator<Tensor> {
  const [rows = 0, ...rest] = dims;
  const each = data.length / rows;
  for (let at = 0; at < rows; at += fixed) {
    const piece = emptyLike(data, fixed * each);
    const own = Math.min(fixed, rows - at);
    piece.set(data.subarray(at * each, (at + own) * each) as never);
    // A real image, not zeros: operators that look at the whole batch (dynamic quantization) see no new values.
    for (let i = own; i < fixed; i++) piece.copyWithin(i * each, (own - 1) * each, own * each);
    yield { type, dims: [fixed, ...rest], data: piece };
  }
}

/**
 * Runs a batch of any size on a graph that may be fixed to one: it then gets pieces of its own size, the last filled up
 * with its last image, and what the filling gave is dropped. A batch that fits goes through as it is, handed over.
 * @returns the outputs joined along their first axis; the milliseconds of all pieces
 * @throws TemperError as Session.run
 */
export async function runInPieces(
  session: Session,
  input: ValueInfo,
  batch: Tensor,
  fetches: readonly string[],
): Promise<RunResult> {
  const [rows = 0] = batch.dims;
  const [fixed] = input.dims;
  if (typeof fixed !== 'number' || fixed < 1 || fixed === rows || rows === 0) {
    return session.run({ [input.name]: batch }, fetches);
  }
  const results: RunResult[] = [];
  for (const piece of pieces(batch, fixed)) results.push(await session.run({ [input.name]: piece }, fetches));
  const outputs: Tensors = Object.fromEntries(
    fetches.map((name) => [
      name,
      joinRows(
        results.map((result) => result.outputs[name] as Tensor),
        results.length * fixed - rows,
      ),
    ]),
  );
  return { outputs, ms: results.reduce((sum, { ms }) => sum + ms, 0) };
}

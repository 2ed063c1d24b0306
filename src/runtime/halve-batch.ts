import { TemperError } from '../core/index.ts';
import { joinRows } from './batch-rows.ts';
import type { RunResult } from './protocol.ts';
import type { Tensor, Tensors } from './tensor.ts';

type Run = (feeds: Tensors, fetches: readonly string[] | undefined) => Promise<RunResult>;

export interface HalvingRun {
  readonly run: Run;
  /** Images at a time, once memory has run out with more; never grows again. */
  size(): number | undefined;
}

/** Images `from` to `to`, as arrays of their own: a run takes over what it is given. */
function rowsOf({ type, dims, data }: Tensor, from: number, to: number): Tensor {
  const [rows = 0, ...rest] = dims;
  const each = data.length / rows;
  return { type, dims: [to - from, ...rest], data: data.slice(from * each, to * each) };
}

/** The outputs of pieces behind one another, and the time of all. */
function joined(results: readonly RunResult[]): RunResult {
  const [first] = results as [RunResult];
  if (results.length === 1) return first;
  const names = Object.keys(first.outputs);
  const outputs = names.map(
    (name) =>
      [
        name,
        joinRows(
          results.map((one) => one.outputs[name] as Tensor),
          0,
        ),
      ] as const,
  );
  return { outputs: Object.fromEntries(outputs), ms: results.reduce((sum, { ms }) => sum + ms, 0) };
}

/**
 * Runs a batch in pieces that fit into memory: whole at first; where memory runs out, half as many images at a time, down to
 * one, for all batches from then on. For networks of one input, whose outputs have a row an image, and that treat every image
 * alone. Memory: a copy of each piece, as a run that fails has taken over what it was given.
 * @param onHalved told of each new size
 * @throws TemperError EXECUTION_MEMORY where one image is too much; what `run` throws
 */
export function halvingRun(run: Run, onHalved: (size: number) => void): HalvingRun {
  let size: number | undefined;
  const pieces = async (name: string, batch: Tensor, most: number, fetches: readonly string[] | undefined) => {
    const [rows = 0] = batch.dims;
    const results: RunResult[] = [];
    for (let at = 0; at < rows; at += most) {
      results.push(await run({ [name]: rowsOf(batch, at, Math.min(at + most, rows)) }, fetches));
    }
    return joined(results);
  };
  return {
    size: () => size,
    async run(feeds, fetches) {
      const [[name, batch] = ['', undefined], ...others] = Object.entries(feeds);
      const rows = batch?.dims[0] ?? 0;
      if (!batch || others.length > 0 || rows < 2) return run(feeds, fetches);
      for (;;) {
        const most = Math.min(rows, size ?? rows);
        try {
          return await pieces(name, batch, most, fetches);
        } catch (error) {
          if (!(error instanceof TemperError) || error.code !== 'EXECUTION_MEMORY' || most < 2) throw error;
          // A batch that waited behind the one that failed fails at the same size, and halves nothing further.
          const half = most >> 1;
          if (size !== undefined && size <= half) continue;
          size = half;
          onHalved(half);
        }
      }
    },
  };
}

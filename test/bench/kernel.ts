// Times the sum alone, in plain JavaScript and in WebAssembly's vectors: `npm run bench:kernel`. Processor time of one thread.
import { availableParallelism } from 'node:os';
import { blockKernel, type SummedRow } from '../../src/average/kernel/block-kernel.ts';
import { newBlocks, vectorSumsOf } from '../../src/average/kernel/vector-sums.ts';
import { median } from './measure.ts';

const INPUTS = 8;
const ELEMENTS = 1 << 16;
/** As many as a ResNet-50 has. */
const BLOCKS = Math.round(25.6e6 / ELEMENTS);
const REPETITIONS = 7;

const MEMORIES = {
  plain: (sizes: readonly number[]) => sizes.map((size) => new Uint8Array(size)),
  vectors: newBlocks,
} as const;

const rowsOf = (count: number): SummedRow[] =>
  Array.from({ length: count }, (_, row) => ({
    coefficients: Array.from({ length: INPUTS }, (_, i) => (row === 0 ? 1 : 1 + 0.1 * i + row)),
    divisor: INPUTS,
  }));

function prepared(memory: keyof typeof MEMORIES, rows: readonly SummedRow[]): () => number {
  const blocks = MEMORIES[memory](new Array<number>(INPUTS + rows.length).fill(4 * ELEMENTS));
  if (memory === 'vectors' && !vectorSumsOf(blocks)) console.log('WebAssembly cannot be had here: all sums are plain');
  const [inputs, outputs] = [blocks.slice(0, INPUTS), blocks.slice(INPUTS)];
  for (const [k, { buffer, byteOffset }] of inputs.entries()) {
    const values = new Float32Array(buffer, byteOffset, ELEMENTS);
    for (let i = 0; i < ELEMENTS; i++) values[i] = Math.sin(i + k);
  }
  const kernel = blockKernel(rows, 'float32', 'float32');
  return () => {
    const before = process.cpuUsage();
    for (let i = 0; i < BLOCKS; i++) kernel(inputs, outputs, ELEMENTS);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
}

console.log(
  `Node ${process.versions.node}, ${availableParallelism()} cores, medians of ${REPETITIONS} interleaved runs`,
);
console.log(`${INPUTS} inputs of 25.6 million float32, ms of processor time`);
console.log('outputs    plain  vectors   plain / vectors');
for (const count of [1, 4]) {
  const [plain, vectors] = [prepared('plain', rowsOf(count)), prepared('vectors', rowsOf(count))];
  const pairs = Array.from({ length: REPETITIONS + 1 }, () => [plain(), vectors()] as const).slice(1);
  const [a, b] = [median(pairs.map(([one]) => one)), median(pairs.map(([, other]) => other))];
  const ratio = median(pairs.map(([one, other]) => one / other));
  console.log(
    `${String(count).padStart(7)} ${a.toFixed(0).padStart(8)} ${b.toFixed(0).padStart(8)} ${ratio.toFixed(1).padStart(17)}`,
  );
}

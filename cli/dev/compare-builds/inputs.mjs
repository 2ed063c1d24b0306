// Files that the command lines need beside the repository's fixtures. Made anew for every comparison, the same each time.
import { createWriteStream, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32, deflateSync, gunzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { pack } from 'tar-stream';
import { externalTensors } from './wire.mjs';

const SIDE = 28;
const N_IMAGES = 120;
const CLASSES = ['t-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'boot'];
const STEPS = [14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25];

/** Fills `folder`; `fixtures` is the repository's. */
export async function makeInputs(folder, fixtures) {
  const write = (name, bytes) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  };
  const snapshot = (step) => join(fixtures, 'fashion', 'checkpoints', `epoch_${step}.onnx`);
  const fashion = readFashion(join(fixtures, 'fashion'));
  writeSnapshots(write, snapshot);
  writeTables(write);
  await writeImages(write, fashion);
  writePhotos(write, join(fixtures, 'images'));
  for (const network of ['mnasnet0_5', 'mobilenet_v2-folded']) {
    const model = readFileSync(join(fixtures, 'torchvision', `${network}.onnx`));
    for (const seed of [1, 2]) {
      write(`${network}_${seed}/model_${seed}.onnx`, model);
      write(`${network}_${seed}/seeded`, seededData(model, seed));
    }
  }
}

function readFashion(folder) {
  const data = (name, header) => gunzipSync(readFileSync(join(folder, name))).subarray(header);
  const pixels = data('test-images-idx3-ubyte.gz', 16);
  const labels = data('test-labels-idx1-ubyte.gz', 8);
  const image = (i) => pixels.subarray(i * SIDE ** 2, (i + 1) * SIDE ** 2);
  return { pixels: pixels.subarray(0, N_IMAGES * SIDE ** 2), labels: labels.subarray(0, N_IMAGES), image };
}

/** Snapshots in other orders, twice the same, damaged. */
function writeSnapshots(write, snapshot) {
  const newest = readFileSync(snapshot(25));
  for (const [i, step] of [24, 22, 23].entries()) {
    const path = write(`by-age/epoch_${step}.onnx`, readFileSync(snapshot(step)));
    utimesSync(path, 1.6e9 + i, 1.6e9 + i);
  }
  for (const [i, step] of [20, 21, 21].entries()) write(`twice/epoch_${i + 1}.onnx`, readFileSync(snapshot(step)));
  write('damaged/truncated.onnx', newest.subarray(0, 100_000));
  write('damaged/empty.onnx', '');
  write('damaged/text.onnx', 'no model\n');
  const nan = Buffer.from(newest);
  nan.fill(255, nan.length >> 1, (nan.length >> 1) + 8);
  write('damaged/nan.onnx', nan);
}

function writeTables(write) {
  const lines = (rows) => `${rows.map((row) => row.join(',')).join('\n')}\n`;
  write(
    'summary.csv',
    lines([['epoch', 'eval_loss', 'eval_top1'], ...STEPS.map((step) => [step, 1 / step, 80 + ((step * 7) % 5)])]),
  );
  write(
    'weights.csv',
    lines([['file', 'weight'], ...[22, 23, 24, 25].map((step) => [`epoch_${step}.onnx`, step - 20])]),
  );
  write('classes.txt', `${CLASSES.join('\n')}\n`);
  write('classes.json', JSON.stringify(Object.fromEntries(CLASSES.map((name, i) => [name, i]))));
  write('classes-swapped.txt', `${CLASSES.map((name, i) => `${name}\t${9 - i}`).join('\n')}\n`);
  write('valid.txt', '1\n4\n7\n');
}

const npy = (shape, data) => {
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': ${shape}, }`;
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
    Buffer.from(`${header.padEnd(117)}\n`),
    data,
  ]);
};

/** A grey picture of SIDE by SIDE pixels. */
function png(pixels) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.from([0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 0, 0, 0, 0]);
  const lines = Array.from({ length: SIDE }, (_, y) => [0, ...pixels.subarray(y * SIDE, (y + 1) * SIDE)]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = deflateSync(Uint8Array.from(lines.flat()));
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

/** The first test images as each kind of data set. */
async function writeImages(write, { pixels, labels, image }) {
  write('images.npy', npy(`(${N_IMAGES}, ${SIDE}, ${SIDE})`, pixels));
  write('labels.npy', npy(`(${N_IMAGES},)`, labels));
  write(
    'labels-wrong.npy',
    npy(
      `(${N_IMAGES},)`,
      labels.map((label) => label + 5),
    ),
  );
  const numbers = Array.from(labels.keys());
  const pngs = numbers.map((i) => png(image(i)));
  const rows = numbers.map((i) => ({
    path: `folders/${CLASSES[labels[i]]}/${i}.png`,
    label: labels[i],
    split: i % 3 ? 'train' : 'val',
  }));
  for (const i of numbers) write(rows[i].path, pngs[i]);
  for (const i of numbers.filter((i) => [1, 4, 7].includes(labels[i])))
    write(`subset/${CLASSES[labels[i]]}/${i}.png`, pngs[i]);
  const table = (separator) =>
    `${[['path', 'label', 'split'], ...rows.map(Object.values)].map((row) => row.join(separator)).join('\n')}\n`;
  write('images.csv', table(','));
  write('images.tsv', table('\t'));
  write('images.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  write('images.parquet', parquet(pngs, labels));
  for (const [name, part] of [
    ['images.tar', numbers],
    ['part-0.tar', numbers.slice(0, 70)],
    ['part-1.tar', numbers.slice(70)],
  ]) {
    await writeTar(
      write(name, ''),
      part.flatMap((i) => [
        [`${1000 + i}.png`, pngs[i]],
        [`${1000 + i}.cls`, String(labels[i])],
      ]),
    );
  }
}

function parquet(pngs, labels) {
  const optional = { repetition_type: 'OPTIONAL' };
  const columnData = [
    { name: 'image', data: pngs.map((bytes, i) => ({ bytes: new Uint8Array(bytes), path: `${i}.png` })) },
    { name: 'label', data: Array.from(labels, BigInt) },
  ];
  const schema = [
    { name: 'root', num_children: 2 },
    { name: 'image', num_children: 2, ...optional },
    { name: 'bytes', type: 'BYTE_ARRAY', ...optional },
    { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', ...optional },
    { name: 'label', type: 'INT64', ...optional },
  ];
  return new Uint8Array(parquetWriteBuffer({ columnData, schema, rowGroupSize: 50 }));
}

async function writeTar(path, members) {
  const tar = pack();
  for (const [name, data] of members) tar.entry({ name, mtime: new Date(0) }, data);
  tar.finalize();
  await pipeline(tar, createWriteStream(path));
}

/** One image of every kind in folders of three classes, without and with the damaged ones. */
function writePhotos(write, folder) {
  const { files } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  for (const [i, [name, { code }]] of Object.entries(files).entries()) {
    const bytes = readFileSync(join(folder, name));
    const place = `${['dress', 'bag', 'coat'][i % 3]}/${name}`;
    if (!code) write(`photos/${place}`, bytes);
    write(`photos-bad/${place}`, bytes);
    if (!code && i % 3 === 0) write(`flat/${name}`, bytes);
  }
}

/** Weights of a network without any: He for kernels, near one for scales and variances, small else. */
function seededData(model, seed) {
  const tensors = externalTensors(model);
  const data = new Float32Array(Math.max(...tensors.map(({ offset, length }) => offset + length)) / 4);
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (const { name, dims, offset, length } of tensors) {
    const isNearOne = name.endsWith('running_var') || (dims.length === 1 && name.endsWith('.weight'));
    const bound = dims.length > 1 ? Math.sqrt(6 / dims.slice(1).reduce((all, dim) => all * dim, 1)) : 0.1;
    const [low, width] = isNearOne ? [0.8, 0.4] : [-bound, 2 * bound];
    for (let i = 0; i < length / 4; i++) data[offset / 4 + i] = low + width * uniform();
  }
  return new Uint8Array(data.buffer);
}

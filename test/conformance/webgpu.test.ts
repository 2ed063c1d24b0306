import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { before, test } from 'node:test';
import { openSession, type Session, type Tensor } from '../../src/runtime/index.ts';
import { SNAPSHOTS, testBatches } from '../support/fashion.ts';

/** Where browsers bring SwiftShader, Vulkan in software; libvulkan must be installed too (Debian: libvulkan1). */
const SOFTWARE_DRIVERS = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
];
/** SwiftShader needs 0.1 to 0.3 s an image. */
const IMAGES = 32;
/** Found: 6e-6 in 5,120 logits (SwiftShader, x64). */
const LOGIT_TOLERANCE = 1e-4;

const env = process.env;
const driver = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES ?? SOFTWARE_DRIVERS.find((path) => existsSync(path));
/** Then WebGPU has to work; without it, a driver that cannot be used skips the test. */
const required = env.ONNX_TEMPER_WEBGPU === '1';
if (driver !== undefined) env.VK_DRIVER_FILES = driver;

let gpu: Session | undefined;
let refused = "no Vulkan driver found; name one in VK_DRIVER_FILES, or set ONNX_TEMPER_WEBGPU=1 to use the system's";

before(async () => {
  if (driver === undefined && !required) return;
  try {
    gpu = await openSession({ model: SNAPSHOTS.at(-1) as string, device: 'webgpu' });
  } catch (error) {
    if (required) throw error;
    refused = String(error);
  }
});

function argmax(row: Float32Array): number {
  return row.indexOf(Math.max(...row));
}

test('WebGPU gives the logits and the classes of the CPU', async (t) => {
  if (gpu === undefined) return t.skip(refused);
  assert.equal(gpu.provider, 'webgpu');
  assert.deepEqual(gpu.refused, []);
  const cpu = await openSession({ model: SNAPSHOTS.at(-1) as string, device: 'cpu', threads: 1 });
  const logits = async (session: Session, image: Tensor): Promise<Float32Array> => {
    const { outputs } = await session.run({ [session.inputs[0]?.name ?? '']: { ...image, data: image.data.slice() } });
    return Object.values(outputs)[0]?.data as Float32Array;
  };
  try {
    for await (const { images } of testBatches(IMAGES)) {
      const [expected, found] = [await logits(cpu, images[0] as Tensor), await logits(gpu, images[0] as Tensor)];
      const difference = Math.max(...expected.map((value, i) => Math.abs(value - (found[i] as number))));
      t.diagnostic(`largest difference of ${expected.length} logits: ${difference}`);
      assert.ok(difference < LOGIT_TOLERANCE, `logits differ by ${difference}`);
      for (let at = 0; at < expected.length; at += 10) {
        assert.equal(argmax(found.subarray(at, at + 10)), argmax(expected.subarray(at, at + 10)));
      }
      break;
    }
  } finally {
    await cpu.close();
    await gpu.close();
  }
});

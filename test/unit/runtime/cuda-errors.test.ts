/** The usual failures of CUDA, in a line of one's own: what is wrong, and what to do; onnxruntime's text is in the details. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runtimeOf } from '../../../cli/shared/runtime-options.ts';
import type { ErrorCode } from '../../../src/core/index.ts';
import { tf32Variable } from '../../../src/runtime/cuda-environment.ts';
import { parseDevice, providersFor } from '../../../src/runtime/device.ts';
import { ortError } from '../../../src/runtime/ort-errors.ts';
import { assertFails } from '../../support/assert-fails.ts';

/** As cuda_call.cc puts a failure together. */
const call = (what: string): string =>
  `/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:129 std::conditional_t<THRW, void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, const char*, int) [with ERRTYPE = cudaError; bool THRW = true] ${what} ; GPU=0 ; hostname=gpu7 ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; line=282 ; expr=cudaSetDevice(info_.device_id);`;

const FAILURES: readonly (readonly [string, ErrorCode, RegExp])[] = [
  [
    call('CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version'),
    'EXECUTION_PROVIDER',
    /no NVIDIA driver, or one that is older.*nvidia-smi/,
  ],
  [
    call('CUDA failure 100: no CUDA-capable device is detected'),
    'EXECUTION_PROVIDER',
    /no usable CUDA device.*CUDA_VISIBLE_DEVICES/,
  ],
  [call('CUDA failure 101: invalid device ordinal'), 'EXECUTION_PROVIDER', /number of the device/],
  [
    call('CUDA failure 209: no kernel image is available for execution on the device'),
    'EXECUTION_PROVIDER',
    /do not know this GPU/,
  ],
  [call('CUDA failure 2: out of memory'), 'EXECUTION_MEMORY', /out of memory.*`batch`/],
  [call('CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED'), 'EXECUTION_MEMORY', /out of memory/],
  [call('CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED'), 'EXECUTION_PROVIDER', /cuDNN cannot be used/],
  [call('CUDA failure 700: an illegal memory access was encountered'), 'EXECUTION_RUN', /CUDA failed/],
  [
    "Non-zero status code returned while running Conv node. Name:'c' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 3221225472\n",
    'EXECUTION_MEMORY',
    /out of memory: onnxruntime asked for 3072 MiB/,
  ],
  [
    'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library',
    'EXECUTION_PROVIDER',
    /the CUDA provider cannot be loaded/,
  ],
  [
    'Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory',
    'EXECUTION_PROVIDER',
    /the CUDA provider cannot be loaded/,
  ],
];

for (const [text, code, pattern] of FAILURES) {
  const called = /failure \d+|requested buffer|load \w+ library|load library/.exec(text)?.[0];
  test(`${called}: ${code}, in a short message`, () => {
    const error = ortError('m.onnx', new Error(text));
    assert.equal(error.code, code);
    assert.match(`${error.message} ${error.hint}`, pattern);
    assert.ok(error.message.length < 140, error.message);
    assert.doesNotMatch(error.message, /\.cc|std::|hostname|onnxruntime_src/);
    assert.equal(error.details.onnxruntime, text, 'nothing is lost');
  });
}

test('TF32 is off by the variable that CUDA reads when it is loaded; what cannot be had any more is refused', () => {
  assert.equal(tf32Variable(false, undefined, undefined), '0');
  assert.equal(tf32Variable(false, false, '0'), '0');
  assert.equal(tf32Variable(true, undefined, undefined), undefined, "the provider's own default");
  assert.match(assertFails(() => tf32Variable(true, false, '0'), 'USAGE').message, /loaded with it off/);
  assert.match(assertFails(() => tf32Variable(false, true, undefined), 'USAGE').message, /loaded with it on/);
  assert.match(assertFails(() => tf32Variable(true, undefined, '0'), 'USAGE').message, /NVIDIA_TF32_OVERRIDE=0/);
});

test('the words --device and --tf32 make one device, which every job hands on', () => {
  const deviceOf = (device: string, tf32?: 'on' | 'off') => runtimeOf({ device, tf32 }).device;
  assert.equal(deviceOf('CUDA:1', 'on'), 'cuda:1+tf32');
  assert.equal(deviceOf('gpu', 'off'), 'cuda');
  assert.equal(deviceOf('auto'), 'auto');
  assert.deepEqual(providersFor('cuda:1+tf32'), [{ name: 'cuda', deviceId: 1 }]);
  assert.deepEqual(providersFor('cuda+tf32'), [{ name: 'cuda', deviceId: 0 }]);
  assert.deepEqual(
    providersFor('auto+tf32').map(({ name }) => name),
    ['cuda', 'cpu'],
  );
  assert.match(assertFails(() => parseDevice('webgpu+tf32'), 'USAGE').message, /`tf32` with `device` webgpu/);
});

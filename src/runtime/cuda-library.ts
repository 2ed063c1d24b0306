import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';

/** Where onnxruntime-node has its native libraries, and looks for its providers'. @throws Error where it is not installed */
export function nativeFolder(): string {
  const root = dirname(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')));
  return join(root, 'bin', 'napi-v6', platform(), arch());
}

/** Where onnxruntime-node looks for its CUDA provider: `npm run setup:cuda` puts it there. */
export const cudaLibrary = (): string =>
  join(nativeFolder(), platform() === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so');

/** Whether onnxruntime is installed, and its CUDA provider with it: what is missing is said when a session is opened. */
export function isCudaInstalled(): boolean {
  try {
    return existsSync(cudaLibrary());
  } catch {
    return false;
  }
}

/** Opened by the provider when it is first needed, and declared by none of its builds. */
export const CUDNN = 'libcudnn.so.9';

import { existsSync } from 'node:fs';
import { TemperError } from '../core/index.ts';

type CudaDevice = 'auto' | 'cuda' | `cuda:${number}`;

/**
 * `cpu`, `cuda`, `cuda:1`, `webgpu`, or `auto`: CUDA where it can be had, else CPU, never WebGPU. `+tf32` lets CUDA multiply
 * float32 with 10 bits of mantissa; without it, all of float32 is kept.
 */
export type Device = CudaDevice | `${CudaDevice}+tf32` | 'cpu' | 'webgpu';

/**
 * What a session really runs on; `cuda+tf32` is another provider than `cuda`, as its numbers are others. Operators that an
 * accelerator lacks run on the CPU inside the same session.
 */
export type Provider = 'cpu' | 'cuda' | 'cuda+tf32' | 'webgpu';

/** An execution provider in onnxruntime's words. Alone in the list: onnxruntime then fails instead of falling back. */
export interface ExecutionProvider {
  readonly name: 'cpu' | 'cuda' | 'webgpu';
  readonly deviceId?: number;
}

/** What names a device. */
export const DEVICE: RegExp = /^(cpu|webgpu|(auto|cuda(:\d{1,3})?)(\+tf32)?)$/;

export const wantsTf32 = (device: Device): boolean => device.endsWith('+tf32');
/** Whether CUDA may be loaded for it. */
export const mayUseCuda = (device: Device): boolean => /^(auto|cuda)/.test(device);

/** @throws TemperError USAGE */
export function parseDevice(text: string): Device {
  if (DEVICE.test(text)) return text as Device;
  if (/^(cpu|webgpu)\+tf32$/.test(text)) {
    throw new TemperError('USAGE', `\`tf32\` with \`device\` ${text.replace('+tf32', '')}: it is a mode of CUDA's`, {
      hint: 'Leave it out, or use `device` cuda.',
      details: { device: text },
    });
  }
  throw new TemperError('USAGE', `device ${text}: expected auto, cpu, cuda, cuda:N or webgpu`, {
    hint: 'Pass `device` auto, or one of the others.',
    details: { device: text },
  });
}

/** The providers to try, in order: several only for `auto`. */
export function providersFor(device: Device): ExecutionProvider[] {
  if (device.startsWith('auto')) return [{ name: 'cuda', deviceId: 0 }, { name: 'cpu' }];
  if (device === 'cpu' || device === 'webgpu') return [{ name: device }];
  return [{ name: 'cuda', deviceId: Number.parseInt(device.slice(5), 10) || 0 }];
}

/** Where the NVIDIA driver shows itself: without one, nobody means CUDA by `auto`. */
const NVIDIA_SIGNS = ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/dxg', 'C:\\Windows\\System32\\nvcuda.dll'];

export const hasNvidiaDevice = (): boolean => NVIDIA_SIGNS.some((path) => existsSync(path));

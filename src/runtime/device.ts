import { existsSync } from 'node:fs';
import { TemperError } from '../core/index.ts';

/** `cpu`, `cuda`, `cuda:1`, `webgpu`, or `auto`: CUDA where it can be had, else CPU, never WebGPU. */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'webgpu';

/** What a session really runs on. Operators that an accelerator lacks run on the CPU inside the same session. */
export type Provider = 'cpu' | 'cuda' | 'webgpu';

/** An execution provider in onnxruntime's words. Alone in the list: onnxruntime then fails instead of falling back. */
export interface ExecutionProvider {
  readonly name: Provider;
  readonly deviceId?: number;
}

/** @throws TemperError USAGE */
export function parseDevice(text: string): Device {
  if (/^(auto|cpu|webgpu|cuda(:\d{1,3})?)$/.test(text)) return text as Device;
  throw new TemperError('USAGE', `device ${text}: expected auto, cpu, cuda, cuda:N or webgpu`, {
    hint: 'Pass `device` auto, or one of the others.',
    details: { device: text },
  });
}

/** The providers to try, in order: several only for `auto`. */
export function providersFor(device: Device): ExecutionProvider[] {
  if (device === 'auto') return [{ name: 'cuda', deviceId: 0 }, { name: 'cpu' }];
  if (device === 'cpu' || device === 'webgpu') return [{ name: device }];
  return [{ name: 'cuda', deviceId: Number(device.slice(5)) }];
}

/** Where the NVIDIA driver shows itself: without one, nobody means CUDA by `auto`. */
const NVIDIA_SIGNS = ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/dxg', 'C:\\Windows\\System32\\nvcuda.dll'];

export const hasNvidiaDevice = (): boolean => NVIDIA_SIGNS.some((path) => existsSync(path));

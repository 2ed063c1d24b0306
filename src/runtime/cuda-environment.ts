// An exception: what CUDA's libraries read of the environment of the process can be said to them in no other way.
import { env } from 'node:process';
import { TemperError } from '../core/index.ts';
import { CUDNN, cudaLibrary, isCudaInstalled } from './cuda-library.ts';
import { type Device, mayUseCuda, wantsTf32 } from './device.ts';
import { missingLibraries } from './shared-libraries.ts';

const VARIABLE = 'NVIDIA_TF32_OVERRIDE';

/** Whether CUDA's libraries were told to leave TF32 out, once they were: they read the variable when they are loaded. */
let held: boolean | undefined;

/**
 * What must stand in the environment for a session with TF32 or without, where the libraries may be loaded already.
 * onnxruntime-node passes nothing but the number of the device on to the CUDA provider, whose own default is TF32: cuBLAS
 * and cuDNN leave it out where NVIDIA_TF32_OVERRIDE is 0, whoever asks for it.
 * @param loaded whether the libraries were loaded with TF32, undefined before they are
 * @param set what the environment says now
 * @throws TemperError USAGE where it cannot be had
 */
export function tf32Variable(tf32: boolean, loaded: boolean | undefined, set: string | undefined): string | undefined {
  if (loaded !== undefined && loaded !== tf32) {
    const [now, before] = tf32 ? ['on', 'off'] : ['off', 'on'];
    throw new TemperError(
      'USAGE',
      `\`tf32\` ${now}: CUDA was loaded with it ${before}, and cannot change in this process`,
      {
        hint: 'Run the two in processes of their own.',
      },
    );
  }
  if (tf32 && set === '0' && loaded === undefined) {
    throw new TemperError('USAGE', `\`tf32\` on, but the environment has ${VARIABLE}=0, which takes it away`, {
      hint: `Unset ${VARIABLE}, or leave \`tf32\` off.`,
    });
  }
  return tf32 ? set : '0';
}

/** Prepares the process for a session that may load CUDA. @throws TemperError USAGE as tf32Variable */
export function prepareCuda(device: Device): void {
  if (!mayUseCuda(device) || !isCudaInstalled()) return;
  const tf32 = wantsTf32(device);
  const value = tf32Variable(tf32, held, env[VARIABLE]);
  if (value !== undefined) env[VARIABLE] = value;
  held = tf32;
}

/** What the installed CUDA provider needs and this machine does not have, by name. */
export function missingCudaLibraries(): string[] {
  const searched = (env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '');
  return missingLibraries(cudaLibrary(), searched, [CUDNN]);
}

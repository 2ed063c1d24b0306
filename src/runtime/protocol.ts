import type { WireError } from '../core/index.ts';
import type { ValueInfo } from '../signature/index.ts';
import type { Device, Provider } from './device.ts';
import type { Tensors } from './tensor.ts';

/** onnxruntime's graphOptimizationLevel. */
export const GRAPH_OPTIMIZATIONS = ['disabled', 'basic', 'extended', 'layout', 'all'] as const;
export type GraphOptimization = (typeof GRAPH_OPTIMIZATIONS)[number];

/** What the inference thread is started with. */
export interface WorkerOptions {
  /** What error messages call the model. */
  readonly label: string;
  readonly model: string | Uint8Array;
  readonly externalData?: readonly { readonly path: string; readonly data: Uint8Array }[] | undefined;
  readonly device: Device;
  readonly threads?: number | undefined;
  readonly graphOptimization: GraphOptimization;
}

export interface RunResult {
  readonly outputs: Tensors;
  /** Wall time inside onnxruntime, in milliseconds: copying to the device and back included, queueing not. */
  readonly ms: number;
}

export type Request =
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly feeds: Tensors;
      readonly fetches: readonly string[] | undefined;
    }
  | { readonly kind: 'close' };

export type Reply =
  | {
      readonly kind: 'opened';
      readonly provider: Provider;
      readonly refused: readonly string[];
      readonly ortVersion: string;
      readonly inputs: readonly ValueInfo[];
      readonly outputs: readonly ValueInfo[];
    }
  | {
      readonly kind: 'ran';
      readonly id: number;
      readonly outputs: Tensors;
      readonly ms: number;
      /** Memory of the feeds, handed back. */
      readonly spent: readonly ArrayBuffer[];
    }
  /** id 0: opening failed. */
  | { readonly kind: 'failed'; readonly id: number; readonly error: WireError };

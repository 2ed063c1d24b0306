import { TemperError } from '../core/index.ts';
import { type Model, modelFromBytes, openModel } from '../onnx/index.ts';
import { graphView, inferShapes, POOLS, tooLargeWindow } from '../shapes/index.ts';
import type { Tensors } from './tensor.ts';

type Dims = Readonly<Record<string, readonly number[]>>;

/** What a graph says of inputs of some dims: a window that does not fit. */
interface Look {
  at(dims: Dims): string | undefined;
  close(): void;
}

const NOTHING: Look = { at: () => undefined, close: () => undefined };

/** Attributes are read when a rule asks for them: the file stays open. A graph that cannot be read is onnxruntime's to judge. */
function lookAt(model: string | Uint8Array): Look {
  let file: Model | undefined;
  try {
    file = typeof model === 'string' ? openModel(model) : modelFromBytes(model);
    if (file.record.graph.nodes.some(({ opType }) => POOLS.has(opType))) {
      const view = graphView(file);
      return { at: (dims) => tooLargeWindow(inferShapes(view, dims)), close: () => file?.close() };
    }
  } catch {
    // Nothing is said of it.
  }
  file?.close();
  return NOTHING;
}

/** What no rule foresees, in a graph that is odd enough, is no finding. */
function safely(look: Look, dims: Dims): string | undefined {
  try {
    return look.at(dims);
  } catch {
    return undefined;
  }
}

export interface WindowCheck {
  /** @throws TemperError UNSUPPORTED_GRAPH */
  assertFits(feeds: Tensors): void;
  close(): void;
}

/**
 * Refuses inputs at which a pooling window does not fit its map, before onnxruntime sees them: its kernels would end the
 * process. Every size is looked at once, whatever the batch. Memory: a model that is given as bytes is kept.
 */
export function windowCheck(label: string, model: string | Uint8Array): WindowCheck {
  const found = new Map<string, string | undefined>();
  let look: Look | undefined;
  return {
    assertFits(feeds) {
      const dims = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, tensor.dims]));
      const key = JSON.stringify(Object.entries(dims).map(([name, [, ...rest]]) => [name, rest]));
      if (!found.has(key)) {
        look ??= lookAt(model);
        found.set(key, safely(look, dims));
      }
      const what = found.get(key);
      if (what === undefined) return;
      throw new TemperError('UNSUPPORTED_GRAPH', `${label}: ${what}`, {
        hint: 'Use a larger `size`: at this one the window has no place on the map.',
      });
    },
    close: () => look?.close(),
  };
}

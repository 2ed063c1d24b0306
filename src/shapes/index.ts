export { places, windowOf } from './convolution.ts';
export { graphView } from './graph-view.ts';
export { cutsOf, reducedAxes } from './indexing.ts';
export { type InferredGraph, type InferredNode, inferShapes } from './infer.ts';
export { dimsOf, ShapeMismatch, ShapeUnknown, shown } from './known.ts';
export { POOLS, tooLargeWindow } from './too-large-window.ts';

import type { StateChoice, TemplateOptions } from '../../src/snapshots/index.ts';

/** Which weights of a training checkpoint are meant. */
export const STATE = {
  state: {
    type: 'string',
    describe:
      'Weights of training checkpoints: auto (EMA weights where there are some), model, ema, average, raw, or a key of the file (default: auto)',
  },
} as const;

/** The graph that weights of training checkpoints go into. */
export const TEMPLATE = {
  template: {
    type: 'string',
    describe:
      'An ONNX export of a checkpoint of the same network: weights of training checkpoints go into copies of it',
  },
  'template-of': {
    type: 'string',
    describe: 'The checkpoint that --template was exported from (default: found by value among the inputs)',
  },
} as const;

interface Words {
  readonly state?: string | undefined;
  readonly template?: string | undefined;
  readonly 'template-of'?: string | undefined;
}

/** The words as jobs take them. */
export const templateOptions = ({
  state,
  template,
  'template-of': templateOf,
}: Words): TemplateOptions & { readonly state?: StateChoice | undefined } => ({ state, template, templateOf });

import { z } from 'zod';
import { DATASET_FORMATS, TRANSFORM_WORDS } from '../data/index.ts';
import { DEVICE } from '../runtime/index.ts';
import { FAMILIES } from '../search/index.ts';

const text = z.string().min(1);
const whole = z.int().min(0);
const count = z.int().min(1);
const positive = z.number().positive();
const sides = z.strictObject({ height: count, width: count });
const pixels = z.union([count, sides]);

/** Which images: DataOptions, but for the halves, which finish cuts. */
const dataSettings = z.strictObject({
  source: text,
  labels: text.optional(),
  format: z.enum(DATASET_FORMATS).optional(),
  classes: text.optional(),
  split: text.optional(),
  pathColumn: text.optional(),
  labelColumn: text.optional(),
  rows: z.strictObject({ start: whole.optional(), end: whole.optional() }).optional(),
  limit: count.optional(),
  seed: whole.optional(),
});

const transformSettings = z.strictObject({
  preset: z.enum(TRANSFORM_WORDS.preset).exactOptional(),
  config: text.exactOptional(),
  size: pixels.exactOptional(),
  resize: z.union([positive, sides]).exactOptional(),
  cropRatio: positive.exactOptional(),
  orientation: z.enum(TRANSFORM_WORDS.orientation).exactOptional(),
  resizeRule: z.enum(TRANSFORM_WORDS.resizeRule).exactOptional(),
  interpolation: z.enum(TRANSFORM_WORDS.interpolation).exactOptional(),
  resampler: z.enum(TRANSFORM_WORDS.resampler).exactOptional(),
  framing: z.enum(TRANSFORM_WORDS.framing).exactOptional(),
  mean: z.array(z.number()).exactOptional(),
  std: z.array(z.number()).exactOptional(),
  meanScale: positive.exactOptional(),
  color: z.enum(TRANSFORM_WORDS.color).exactOptional(),
});

/** Those that win: more candidates take longer, and the best of more looks better than it is. */
const USUAL = ['last', 'ema', 'power', 'greedy'] as const;

/** Which files are the snapshots. */
const inputSettings = z.strictObject({
  paths: z.array(text).min(1),
  pattern: text.optional(),
  state: text.optional(),
  template: text.optional(),
  templateOf: text.optional(),
  order: z.enum(['natural', 'mtime', 'list']).default('natural'),
  start: z.number().optional(),
  end: z.number().optional(),
  every: count.optional(),
  allowDuplicates: z.boolean().default(false),
});

/** Everything that decides the result, as a recipe keeps it: one place for names, types and defaults. */
export const SETTINGS = z.strictObject({
  inputs: inputSettings,
  train: dataSettings.optional(),
  val: dataSettings,
  test: dataSettings.optional(),
  transform: transformSettings.default({}),
  trainSize: pixels.optional(),
  seed: whole.default(0),
  onBadImage: z.enum(['fail', 'skip']).default('fail'),
  include: z.array(z.enum(FAMILIES)).default([...USUAL]),
  bn: z.boolean().default(true),
  /** Of the train size, or pixels; none: no sweep. */
  sizes: z
    .array(z.union([pixels, z.strictObject({ ratio: positive.max(16) })]))
    .max(200)
    .default([{ ratio: 0.85 }, { ratio: 1 }, { ratio: 1.15 }, { ratio: 1.3 }, { ratio: 1.5 }]),
  maxGmacs: positive.optional(),
  maxLatencyRatio: positive.optional(),
  fixRes: z.boolean().default(false),
  calibrate: z.boolean().default(true),
  device: z.string().regex(DEVICE, 'expected auto, cpu, cuda, cuda:N or webgpu').default('auto'),
  threads: count.optional(),
  batch: count.optional(),
  input: text.optional(),
  output: text.optional(),
  memory: count.optional(),
  writeConfig: z.boolean().default(false),
});

export type Settings = z.output<typeof SETTINGS>;
export type DataSettings = z.output<typeof dataSettings>;

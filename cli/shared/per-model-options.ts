/** Options that may be given once per model, in the models' order (with their aliases). No imports: every command loads it. */
export const PER_MODEL_OPTIONS = [
  'preset',
  'size',
  'img-size',
  'val-crop-size',
  'resize',
  'val-resize-size',
  'crop-ratio',
  'crop-pct',
  'resize-rule',
  'interpolation',
  'mean',
  'std',
  'color',
  'orientation',
  'class-map',
] as const;

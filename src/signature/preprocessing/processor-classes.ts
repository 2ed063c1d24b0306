/** How a class of image processors of transformers makes the network's size. */
type Resizing = 'plain' | 'convnext' | 'poolformer' | 'levit' | 'perceiver';

/** What a processor takes where its file says nothing, under the names of the file. */
export interface ProcessorClass {
  readonly resizing: Resizing;
  readonly defaults: Readonly<Record<string, unknown>>;
}

const INCEPTION = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
const IMAGENET = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
const CLIP = {
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};
const [BILINEAR, BICUBIC] = [2, 3];
const square = (side: number): object => ({ height: side, width: side });
const short = (side: number): object => ({ shortest_edge: side });

const plain = (defaults: ProcessorClass['defaults']): ProcessorClass => ({ resizing: 'plain', defaults });
const squashed = (side: number, resample: number, statistics: object): ProcessorClass =>
  plain({ size: square(side), resample, do_center_crop: false, ...statistics });
const cropped = (size: object, crop: number, resample: number, statistics: object): ProcessorClass =>
  plain({ size, crop_size: square(crop), resample, do_center_crop: true, ...statistics });

/** Of a class that is not known: what most have. */
export const ANY_CLASS: ProcessorClass = plain({ resample: BILINEAR });

/**
 * Defaults of transformers 5.18, by class name without `ImageProcessor` and what follows it. A class that is not here is read by
 * the fields that its file has.
 */
export const PROCESSOR_CLASSES: Readonly<Record<string, ProcessorClass>> = {
  ViT: squashed(224, BILINEAR, INCEPTION),
  DeiT: cropped(square(256), 224, BICUBIC, INCEPTION),
  Beit: squashed(224, BICUBIC, INCEPTION),
  Siglip: squashed(224, BICUBIC, INCEPTION),
  Pvt: squashed(224, BICUBIC, IMAGENET),
  Segformer: squashed(512, BILINEAR, IMAGENET),
  CLIP: cropped(short(224), 224, BICUBIC, CLIP),
  ChineseCLIP: cropped(short(224), 224, BICUBIC, CLIP),
  Bit: cropped(short(224), 224, BICUBIC, CLIP),
  MobileNetV1: cropped(short(256), 224, BILINEAR, INCEPTION),
  MobileNetV2: cropped(short(256), 224, BILINEAR, INCEPTION),
  EfficientFormer: cropped(short(224), 224, BICUBIC, IMAGENET),
  MobileViT: plain({
    ...{ size: short(224), crop_size: square(256), resample: BICUBIC, do_center_crop: true },
    ...{ do_normalize: false, do_flip_channel_order: true },
  }),
  EfficientNet: plain({
    ...{ size: square(346), crop_size: square(289), resample: BICUBIC, do_center_crop: false, include_top: true },
    ...INCEPTION,
  }),
  ConvNext: { resizing: 'convnext', defaults: { size: short(384), resample: BICUBIC, crop_pct: 0.875, ...INCEPTION } },
  PoolFormer: {
    resizing: 'poolformer',
    defaults: {
      ...{ size: short(224), crop_size: square(224), resample: BICUBIC, do_center_crop: true, crop_pct: 0.9 },
      ...IMAGENET,
    },
  },
  Levit: {
    resizing: 'levit',
    defaults: { size: short(224), crop_size: square(224), resample: BICUBIC, do_center_crop: true, ...IMAGENET },
  },
  Perceiver: {
    resizing: 'perceiver',
    defaults: { size: square(224), crop_size: square(256), resample: BICUBIC, do_center_crop: true, ...IMAGENET },
  },
};

import { random, TemperError, toWire, type WireError } from '../../core/index.ts';
import type { SampleData } from '../datasets/dataset.ts';
import { allocateInput, applyTransform, type InputData, inputLength } from '../images/apply-transform.ts';
import { decodeImage, type Orientation } from '../images/decode-image.ts';
import { isEnlarged, isPadded } from '../images/geometry.ts';
import { allocateStatistics, type InputStatistics, inputStatistics } from '../images/input-statistics.ts';
import type { Pixels, Size } from '../images/pixels.ts';
import { CHANNELS, type Color, type Transform } from '../images/transform.ts';
import { type AugmentOptions, applyView, drawView, type ViewRecord } from '../views/augment.ts';

/** Training views as a job is asked for them; the seed is the job's. */
export interface ViewOptions {
  readonly augment: AugmentOptions;
  /** Views of each image. */
  readonly count: number;
}

/** Training views of every image: V of them, drawn from (seed, key, view). Absent: the evaluation transform, once. */
export interface Views {
  readonly augment: AugmentOptions;
  readonly count: number;
  readonly seed: number;
  /** The number of the first view; 0 by default. */
  readonly first?: number | undefined;
}

/** What becomes of every image; the same for all jobs. */
export interface DecodePlan {
  /** One input per transform is made of each image; they share their decoding. */
  readonly transforms: readonly Transform[];
  readonly views?: Views | undefined;
  /** Whether mean and deviation of every input are wanted. */
  readonly statistics?: boolean | undefined;
}

export interface KeyedImage {
  readonly key: string;
  readonly image: Exclude<SampleData, { kind: 'tensor' }>;
  /** The views to make, as drawn before; absent: they are drawn. */
  readonly records?: readonly ViewRecord[] | undefined;
}

/** What is known of an image after decoding. */
export interface ImageFacts {
  readonly source: Size;
  /** Per view; empty without views. */
  readonly views: readonly ViewRecord[];
  /** Per transform: whether the evaluation geometry enlarges or pads the picture. */
  readonly enlarged: readonly boolean[];
  readonly padded: readonly boolean[];
}

/**
 * Wall milliseconds on a decoding thread, summed over images: decoding (with one transform: what of it was not done during
 * the transform of the image before), and per transform what follows (0 with views).
 */
export interface PreparationTime {
  readonly decodeMs: number;
  readonly transformMs: readonly number[];
}

/** A job, as a thread is sent it. */
export interface DecodeTask {
  readonly images: readonly KeyedImage[];
  /** Per transform: memory of an earlier job, which is handed over. */
  readonly spare?: readonly ArrayBuffer[] | undefined;
}

export interface DecodedJob {
  /** Per transform: the inputs of all images that could be decoded, views of an image side by side. */
  readonly inputs: readonly InputData[];
  /** Per transform, where they are wanted: of the same inputs. */
  readonly statistics: readonly InputStatistics[];
  readonly time: PreparationTime;
  /** Per image: its facts, or why it could not be decoded. */
  readonly images: readonly (ImageFacts | { readonly error: WireError })[];
}

async function pixelsOf({ image }: KeyedImage, color: Color, orientation: Orientation): Promise<Pixels> {
  if (image.kind === 'pixels') return image;
  return decodeImage(image.bytes, image.path, { color: color === 'bgr' ? 'rgb' : color, orientation });
}

function decodedColor(transforms: readonly Transform[]): Color {
  if (transforms.some(({ color }) => color === 'rgba')) return 'rgba';
  return transforms.every(({ color }) => color === 'grey') ? 'grey' : 'rgb';
}

/** Views of an image depend on (seed, key, view) and its size alone: the same for every model, worker and run. */
function drawViews({ augment, count, seed, first = 0 }: Views, key: string, source: Size): ViewRecord[] {
  return Array.from({ length: count }, (_, view) => {
    const stream = random(seed, key, first + view);
    return drawView(augment, source, () => stream.float());
  });
}

/**
 * Decodes images and applies every transform to each, in order; with one transform, libvips' thread decodes the next
 * image meanwhile. A bad image is reported at its place.
 *
 * Memory: the inputs, and the pixels of two images.
 */
export async function decodeJob(plan: DecodePlan, { images, spare }: DecodeTask): Promise<DecodedJob> {
  const { transforms, views } = plan;
  const perImage = views?.count ?? 1;
  const inputs = transforms.map((transform, t) => allocateInput(transform, images.length * perImage, spare?.[t]));
  const lengths = transforms.map(inputLength);
  const channels = transforms.map(({ color }) => CHANNELS[color]);
  const statistics = plan.statistics
    ? channels.map((count) => allocateStatistics(images.length * perImage, count))
    : [];
  // What holds the rest: alpha for any that wants it, colours unless all are grey.
  const color = decodedColor(transforms);
  const orientations = [...new Set(transforms.map(({ orientation }) => orientation))];
  const found: DecodedJob['images'][number][] = [];
  const transformMs = transforms.map(() => 0);
  let decodeMs = 0;
  let made = 0;
  const place = (t: number, view: number): InputData => {
    const length = lengths[t] as number;
    return (inputs[t] as InputData).subarray((made + view) * length, (made + view + 1) * length);
  };
  const decode = (keyed: KeyedImage): Promise<Pixels[]> => {
    const decoding = Promise.all(orientations.map((orientation) => pixelsOf(keyed, color, orientation)));
    // It is awaited at its place; until then a failure must not count as unhandled.
    decoding.catch(() => undefined);
    return decoding;
  };
  // With several transforms it would run behind one that it does not belong to, and the time of each would mean nothing.
  const readsAhead = transforms.length === 1;
  let ahead: Promise<Pixels[]> | undefined;
  for (const [i, keyed] of images.entries()) {
    const decoding = ahead ?? decode(keyed);
    const following = images[i + 1];
    ahead = following && readsAhead ? decode(following) : undefined;
    try {
      const start = performance.now();
      const decoded = await decoding;
      const pixels = transforms.map(({ orientation }) => decoded[orientations.indexOf(orientation)] as Pixels);
      const [{ width, height }] = decoded as [Pixels];
      let at = performance.now();
      decodeMs += at - start;
      const records = views ? (keyed.records ?? drawViews(views, keyed.key, { width, height })) : [];
      for (const [view, record] of records.entries()) {
        for (const [t, transform] of transforms.entries())
          applyView(pixels[t] as Pixels, record, transform, place(t, view));
      }
      const applied = views
        ? []
        : transforms.map((transform, t) => {
            const { geometry } = applyTransform(pixels[t] as Pixels, transform, place(t, 0));
            const now = performance.now();
            transformMs[t] = (transformMs[t] as number) + now - at;
            at = now;
            return { enlarged: isEnlarged(geometry), padded: isPadded(geometry) };
          });
      found.push({
        source: { width, height },
        views: records,
        enlarged: applied.map(({ enlarged }) => enlarged),
        padded: applied.map(({ padded }) => padded),
      });
      for (const [t, into] of statistics.entries()) {
        const { layout } = transforms[t] as Transform;
        for (let view = 0; view < perImage; view++)
          inputStatistics(place(t, view), channels[t] as number, layout, into, made + view);
      }
      made += perImage;
    } catch (error) {
      if (!(error instanceof TemperError)) throw error;
      found.push({ error: toWire(error) });
    }
  }
  // A subarray of the whole when an image was bad: the receiver copies it anyway.
  return {
    inputs: inputs.map((data, t) => data.subarray(0, made * (lengths[t] as number))),
    time: { decodeMs, transformMs },
    statistics: statistics.map(({ mean, std }, t) => ({
      mean: mean.subarray(0, made * (channels[t] as number)),
      std: std.subarray(0, made * (channels[t] as number)),
    })),
    images: found,
  };
}

import { planGeometry, type Size, sizeText, type Transform } from '../data/index.ts';

/** Enlarged by more, a picture is not what a network of that size was trained on. */
const STRONG = 2;

const sizeOf = ({ height, width }: Size): string => (height === width ? String(height) : `${height}x${width}`);
const atMiddle = <T>(sorted: readonly T[]): T => sorted[Math.floor((sorted.length - 1) / 2)] as T;

interface Fit {
  readonly transform: Transform;
  /** Of the picture in the middle: how many times its sides are enlarged. */
  readonly factor: number;
  readonly source: Size;
  /** Whether most pictures are of the network's own size, and are resized all the same. */
  readonly resizesOwn: boolean;
}

function fitOf(sources: readonly Size[], transform: Transform): Fit {
  const { crop } = transform;
  const fits = sources.map((source) => {
    const { part, resized } = planGeometry(source, transform);
    const own = source.height === crop.height && source.width === crop.width;
    const changed = resized.height !== source.height || resized.width !== source.width;
    const factor = Math.sqrt((resized.height * resized.width) / (part.height * part.width));
    return { factor, source, resizesOwn: own && changed };
  });
  const { factor, source } = atMiddle(fits.toSorted((a, b) => a.factor - b.factor));
  return { transform, factor, source, resizesOwn: fits.filter((fit) => fit.resizesOwn).length > sources.length / 2 };
}

/**
 * What is odd about pictures and transforms, for people: most pictures are enlarged more than twice by every transform, or are
 * of the network's own size and are resized by a preset all the same. Each is a line with the options that may be meant.
 * @param sources sizes of all pictures
 * @param own whether pictures of the network's own size are remarked on for each transform, or only if all resize such
 */
export function pictureNotes(
  sources: readonly Size[],
  transforms: readonly Transform[],
  own: 'each' | 'all' = 'each',
): string[] {
  if (sources.length === 0 || transforms.length === 0) return [];
  const fits = transforms.map((transform) => fitOf(sources, transform));
  const resizing = fits.filter(({ resizesOwn }) => resizesOwn);
  const notes = (own === 'each' || resizing.length === fits.length ? resizing : []).map(
    ({ transform: { crop, resize } }) => {
      const size = sizeOf(crop);
      return (
        `most pictures are of the network's own size, ${size}, but are resized to ${sizeOf(resize)} and cropped; ` +
        `if it was trained on whole pictures, give \`preset\` none \`size\` ${size}`
      );
    },
  );
  const { factor, source, transform } = atMiddle(fits.toSorted((a, b) => a.factor - b.factor).slice(0, 1));
  if (factor > STRONG) {
    notes.push(
      `most pictures are enlarged more than ${STRONG}x (by ${factor.toPrecision(2)} from ${sizeOf(source)} for inputs of ` +
        `${sizeText(transform)}); if the network was trained on small pictures, give \`preset\` none \`size\` ${sizeOf(source)}`,
    );
  }
  return [...new Set(notes)];
}

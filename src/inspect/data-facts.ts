import { TemperError } from '../core/index.ts';
import { type ChosenData, imageSize, type Size, sizeText } from '../data/index.ts';
import { type Facts, fact, factsOf, type Problem, problemOf } from './inspected.ts';

/** Pictures whose headers are read, spread over the rows. */
const MOST_PICTURES = 500;
/** Sizes that are listed, the most frequent first. */
const MOST_SIZES = 10;

/** Keys and labels, whatever holds them. */
const TABLE = 'its table';

/** Where class names come from, for people. */
const NAMES_FROM = {
  map: '`classes`',
  metadata: "the data's own metadata",
  names: 'the names that occur, sorted as text',
  sorted: 'the names that occur, sorted as text (`classes` sorted)',
} as const;

/** The sizes of some pictures of a data set. */
export interface Pictures {
  readonly sizes: readonly Size[];
  /** Of numbers that are ready for the network. */
  readonly dims: readonly number[] | undefined;
  readonly bad: readonly Problem[];
}

/** Reads the headers of at most {@link MOST_PICTURES} pictures; what cannot be read is listed. */
export async function readPictures({ dataset, rows }: ChosenData, signal: AbortSignal): Promise<Pictures> {
  const count = Math.min(rows.length, MOST_PICTURES);
  const sizes: Size[] = [];
  const bad: Problem[] = [];
  let dims: readonly number[] | undefined;
  for (let i = 0; i < count; i++) {
    signal.throwIfAborted();
    const row = rows[Math.floor((i * rows.length) / count)] as number;
    try {
      const data = await dataset.read(row);
      if (data.kind === 'tensor') {
        ({ dims } = data);
        break;
      }
      sizes.push(data.kind === 'pixels' ? data : await imageSize(data.bytes, data.path));
    } catch (error) {
      if (!(error instanceof TemperError)) throw error;
      bad.push(problemOf(error));
    }
  }
  return { sizes, dims, bad };
}

const textOf = (size: Size): string => String(sizeText({ crop: size }));

/** How large pictures are: each size that occurs, or what lies between them. */
function sizeFacts({ sizes, dims }: Pictures, source: string): Facts {
  if (dims) return { dims: fact(dims.join('x'), source) };
  if (sizes.length === 0) return {};
  const counts = new Map<string, number>();
  for (const size of sizes) counts.set(textOf(size), (counts.get(textOf(size)) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, MOST_SIZES).map(([text, count]) => `${text} (${count})`);
  const more = sorted.length > shown.length ? [`${sorted.length - shown.length} other sizes`] : [];
  const area = sizes.toSorted((a, b) => a.height * a.width - b.height * b.width);
  const at = (share: number): string => textOf(area[Math.floor((area.length - 1) * share)] as Size);
  return {
    picture_sizes: fact([...shown, ...more], source),
    ...(sorted.length > 1 && { picture_size_range: fact(`${at(0)} to ${at(1)}, median ${at(0.5)}`, source) }),
  };
}

function labelFacts({ dataset, rows }: ChosenData): Facts {
  const { labelled, classes, classesFrom } = dataset;
  if (!labelled) return { labelled: fact(false, TABLE) };
  const counts = new Map<number, number>();
  for (const row of rows) {
    const label = dataset.sample(row).label as number;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const labels = [...counts.keys()];
  const [least, most] = [labels.reduce((a, b) => Math.min(a, b)), labels.reduce((a, b) => Math.max(a, b))];
  const each = [...counts.values()];
  const [few, many] = [each.reduce((a, b) => Math.min(a, b)), each.reduce((a, b) => Math.max(a, b))];
  const from = classesFrom === undefined ? TABLE : NAMES_FROM[classesFrom];
  return factsOf({
    labelled: fact(true, TABLE),
    class_names: classes && fact(classes, from),
    n_classes: classes && fact(classes.length, from),
    labels: fact(
      `${least} to ${most}, ${counts.size} of them occur`,
      classes ? from : 'numbers in the data, taken as class indices',
    ),
    images_per_class: fact(few === many ? few : `${few} to ${many}`, TABLE),
  });
}

/** A data set in facts: how many images, which classes, how large. */
export function dataFacts(chosen: ChosenData, pictures: Pictures): Facts {
  const { dataset, rows } = chosen;
  const { length } = dataset;
  const looked = pictures.sizes.length + pictures.bad.length;
  const source = looked < rows.length ? `the headers of ${looked} pictures` : 'the headers of all pictures';
  return {
    format: fact(dataset.format, TABLE),
    n_images: fact(rows.length === length ? length : `${rows.length} of ${length}`, TABLE),
    ...labelFacts(chosen),
    ...sizeFacts(pictures, dataset.kind === 'tensor' ? 'the first row' : source),
  };
}

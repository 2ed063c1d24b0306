import { controlOf, type JobControl, TemperError } from '../../core/index.ts';
import { type DataOptions, openData, thumbnail } from '../../data/index.ts';

/** Characters that the pictures of a page may have together: with all tables it stays under 3 MB. */
const MOST_CHARACTERS = 1_800_000;

/**
 * Small pictures of some images, by key, as `data:` URIs. What cannot be decoded, and numbers ready for the network, have none.
 * @param keys as often as each is shown, the most wanted first: where all would be too much for a page, the last have none
 * @throws TemperError INPUT_*, FORMAT_*; MISMATCH_VALUE if the data has none of the images; the signal's reason
 */
export async function thumbnails(
  data: DataOptions,
  keys: readonly string[],
  control: JobControl = {},
): Promise<ReadonlyMap<string, string>> {
  const { note, signal } = controlOf(control);
  const pictures = new Map<string, string>();
  if (keys.length === 0) return pictures;
  const times = new Map<string, number>();
  for (const key of keys) times.set(key, (times.get(key) ?? 0) + 1);
  const { dataset, rows } = await openData(data, { labelled: false, signal });
  try {
    if (dataset.kind === 'tensor') return pictures;
    const places = new Map<string, number>();
    for (const row of rows) {
      const { key } = dataset.sample(row);
      if (times.has(key)) places.set(key, row);
    }
    if (places.size === 0) {
      throw new TemperError('MISMATCH_VALUE', `${dataset.source}: has none of the images, such as ${keys[0]}`, {
        hint: 'Name the images that the predictions are of.',
        details: { path: dataset.source, key: keys[0] },
      });
    }
    let left = MOST_CHARACTERS;
    for (const [key, count] of times) {
      const row = places.get(key);
      if (row === undefined) continue;
      signal.throwIfAborted();
      const picture = await dataset
        .read(row)
        .then(thumbnail)
        .catch((error: unknown) => (error instanceof TemperError ? undefined : Promise.reject(error)));
      if (picture === undefined) continue;
      left -= count * picture.length;
      if (left < 0) {
        note(`the report has pictures of ${pictures.size} of ${times.size} images: of all it would be too large`);
        break;
      }
      pictures.set(key, picture);
    }
    return pictures;
  } finally {
    await dataset.close();
  }
}

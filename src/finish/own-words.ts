import { TemperError } from '../core/index.ts';
import { SETTINGS } from './settings.ts';

/** An option as messages name it. */
const OPTION = /`([a-z][A-Za-z0-9]*)((?:\.[a-z][A-Za-z0-9]*)*)`/g;
/** What the jobs of steps call what has another name here. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['data', 'val'],
  ['rows', 'val.rows'],
  ['limit', 'val.limit'],
]);
const { inputs, transform } = SETTINGS.shape;
const OWN: ReadonlySet<string> = new Set([
  ...Object.keys(SETTINGS.shape),
  ...Object.keys(inputs.shape),
  ...Object.keys(transform.unwrap().shape),
  ...['classes', 'force', 'outDir', 'work', 'recipe'],
]);

/**
 * An error of a step's job in the words of `finish`: sets by their names here, and of an option that finish has not, that it is the job's.
 * Anything else is given back as it is.
 */
export function inOwnWords(error: unknown): unknown {
  if (!(error instanceof TemperError)) return error;
  const { code, hint, details, cause } = error;
  const renamed = (text: string): string =>
    text.replace(OPTION, (whole, name: string, rest: string) => {
      const own = RENAMED.get(name);
      return own === undefined ? whole : `\`${own}${rest}\``;
    });
  const foreign = Array.from((hint ?? '').matchAll(OPTION), ([, name = '']) => name).filter(
    (name) => !OWN.has(name) && !RENAMED.has(name),
  );
  const lacking = [...new Set(foreign)].map((name) => `\`${name}\``).join(', ');
  const remedy = hint === undefined ? undefined : renamed(hint);
  const added = lacking === '' ? '' : ` finish has no ${lacking}: the command of that step alone has.`;
  return new TemperError(code, renamed(error.message), {
    ...(remedy === undefined ? {} : { hint: `${remedy}${added}` }),
    details,
    cause,
  });
}

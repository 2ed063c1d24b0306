import type { Control, TemperError } from '../core/index.ts';
import { type ChosenData, type DataOptions, openData } from '../data/index.ts';
import { dataFacts, type Pictures, readPictures } from './data-facts.ts';
import type { Described, Problem } from './inspected.ts';

/** A data set that was looked at; the caller closes it. */
export interface OpenedData {
  readonly chosen: ChosenData;
  readonly pictures: Pictures;
  readonly described: Described;
}

/** Whether an error is of a damaged file, and not of one that is something else. */
export const isDamage = ({ code }: TemperError): boolean =>
  code.startsWith('FORMAT_') && code !== 'FORMAT_TABLE' && code !== 'FORMAT_LABEL';

/** The first picture that cannot be read stands for all. */
function badError({ bad }: Pictures): Problem | undefined {
  const [first, ...others] = bad;
  if (!first) return undefined;
  const more = others.length > 0 ? `; ${others.length} more pictures cannot be read` : '';
  return { code: first.code, message: `${first.message}${more}`, hint: '`onBadImage` skip leaves such pictures out.' };
}

/** Opens a data set and looks at its table and at the headers of some pictures. @throws TemperError as openData */
export async function inspectData(options: DataOptions, { signal }: Control): Promise<OpenedData> {
  const chosen = await openData(options, { labelled: false });
  try {
    const pictures = await readPictures(chosen, signal);
    const described = {
      kind: 'data',
      is: 'is a data set',
      facts: dataFacts(chosen, pictures),
      error: badError(pictures),
    };
    return { chosen, pictures, described };
  } catch (error) {
    await chosen.dataset.close();
    throw error;
  }
}

/** {@link inspectData}, closed. */
export async function describeData(options: DataOptions, control: Control): Promise<Described> {
  const { chosen, described } = await inspectData(options, control);
  await chosen.dataset.close();
  return described;
}

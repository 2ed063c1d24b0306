/** An option of a job as messages of src name it: `trainSize`, `val.labels`. */
const OPTION = /`([a-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*)*)`/g;

/**
 * The flag of a job's option: `trainSize` is --train-size, `data.labels` --labels, `val.source` --val, `val.rows` --val-rows;
 * a flag names no unit: `cacheMemoryBytes` is --cache-memory.
 */
function flagOf(option: string): string {
  const [set, ...rest] = option.replace(/\.source$|Bytes$/, '').split('.');
  const words = set === 'data' && rest.length > 0 ? rest : [set, ...rest];
  return `--${words.join('-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A message of src in the words of the command line. */
export const flagText = (text: string): string => text.replace(OPTION, (_, option: string) => flagOf(option));

/** Places named in a message; a job may have a hundred thousand. */
const MAX_NAMED = 10;

/** What of 0 to total - 1 is not in `present`, as "0-3, 7". @param present rising */
export function gaps(present: readonly number[], total: number): string {
  const found: string[] = [];
  let next = 0;
  for (const number of [...present, total]) {
    if (number > next) found.push(number === next + 1 ? `${next}` : `${next}-${number - 1}`);
    next = number + 1;
  }
  return [...found.slice(0, MAX_NAMED), ...(found.length > MAX_NAMED ? ['…'] : [])].join(', ');
}

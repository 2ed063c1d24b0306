const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function withKeys(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one: unknown) => withKeys(one, rename));
  if (!isMapping(value)) return value;
  // Object.fromEntries defines keys, `__proto__` too, as a member like any other.
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [rename(key), withKeys(member, rename)]));
}

export const snakeKey = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Keys of options as files have them: `maxGmacs` is `max_gmacs`. */
export const snakeKeys = (value: unknown): unknown => withKeys(value, snakeKey);

/** Back again. A key that is no such key, such as one with a capital, is left with a mark in front that no option has. */
export const camelKeys = (value: unknown): unknown =>
  withKeys(value, (key) =>
    /^[a-z][a-z0-9]*(_[a-z][a-z0-9]*|_?[0-9]+)*$/.test(key)
      ? key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      : `?${key}`,
  );

/** Parts that wrappers put into names: torch.compile, FSDP, activation checkpointing. */
const WRAPPERS: ReadonlySet<string> = new Set(['_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module']);
/** DataParallel, AveragedModel and kin: the network is their `module`. */
const MODULE = 'module.';
/** What such wrappers count, beside `module.`. */
const COUNTERS: ReadonlySet<string> = new Set(['n_averaged', 'steps', 'step', 'initted', 'num_updates', 'decay']);

const withoutWrappers = (name: string): string =>
  name
    .split('.')
    .filter((part) => !WRAPPERS.has(part))
    .join('.');

/**
 * The names of a state dict as the network has them: `module.` goes where all names begin with it, `_orig_mod.` everywhere.
 * @returns each name and what it becomes (undefined: a wrapper's counter), and what the first name lost at its beginning
 */
export function unwrapNames(names: readonly string[]): {
  readonly renamed: ReadonlyMap<string, string | undefined>;
  readonly prefix: string;
} {
  const renamed = new Map<string, string | undefined>(names.map((name) => [name, withoutWrappers(name)]));
  const inModule = (): boolean => {
    const own = [...renamed.values()].filter((name) => name !== undefined && !COUNTERS.has(name));
    return own.length > 0 && own.every((name) => name?.startsWith(MODULE) && name.length > MODULE.length);
  };
  while (inModule()) {
    for (const [name, now] of renamed) {
      renamed.set(name, now?.startsWith(MODULE) ? now.slice(MODULE.length) : undefined);
    }
  }
  const [name = '', now = name] = [...renamed].find(([, to]) => to !== undefined) ?? [];
  return { renamed, prefix: name.endsWith(now) ? name.slice(0, name.length - now.length) : '' };
}

import { readRecipe } from '../../../src/finish/index.ts';
import type { Arguments } from './option-roles.ts';

/** The inputs that a recipe names, by the options that would have named them; what it says beside is in its own bytes. */
export function recipeInputs(path: string): Arguments {
  const { inputs, train, val, test, transform } = readRecipe(path).settings;
  const sets = Object.entries({ train, val, test }).flatMap(([name, set]) =>
    set === undefined
      ? []
      : [
          [name, set.source],
          [`${name}-labels`, set.labels],
          [`${name}-format`, set.format],
          [`${name}-split`, set.split],
          [`${name}-path-column`, set.pathColumn],
          [`${name}-label-column`, set.labelColumn],
        ],
  );
  const classes = (val ?? train ?? test)?.classes;
  const { paths, pattern, order, template, templateOf } = inputs;
  const named = {
    inputs: paths,
    pattern,
    order,
    template,
    'template-of': templateOf,
    classes,
    config: transform.config,
  };
  return { ...named, ...(Object.fromEntries(sets) as Arguments) };
}

import { kindText, TemperError } from '../core/index.ts';
import { openState, type StateTable } from '../snapshots/index.ts';
import { type Described, type Facts, fact, factsOf, problemOf } from './inspected.ts';

/** What is known of the weights that `state` auto takes, and of the run. */
function stateFacts({ tensors, state, epoch, step, metric }: StateTable): Facts {
  let values = 0;
  for (const { dims } of tensors.values()) values += dims.reduce((product, side) => product * side, 1);
  const inside = 'the checkpoint';
  const others = state.candidates.filter((key) => key !== state.taken);
  return factsOf({
    state: fact(state.taken, '`state` auto'),
    other_states: others.length === 0 ? undefined : fact(others, inside),
    wrapper: state.prefix === undefined ? undefined : fact(state.prefix, 'the names of all weights'),
    n_tensors: fact(tensors.size, inside),
    n_values: fact(values, inside),
    types: fact([...new Set([...tensors.values()].map(({ type }) => type))].sort(), inside),
    epoch: epoch === undefined ? undefined : fact(epoch, inside),
    step: step === undefined ? undefined : fact(step, inside),
    metric: metric && fact(`${metric.name} ${metric.value}`, inside),
  });
}

/** A trainer's checkpoint: the weights that averages take by default, and what it says of its run. Nothing in it is executed. */
export function describeCheckpoint(kind: 'pytorch' | 'pytorch-legacy', path: string): Described {
  const known = { kind, is: kindText(kind).is };
  try {
    const table = openState(path);
    try {
      const tensors = [...table.tensors.values()].map(({ name, type, dims }) => ({ name, type, dims }));
      return { ...known, facts: stateFacts(table), tensors };
    } finally {
      table.close();
    }
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    return { ...known, error: problemOf(error) };
  }
}

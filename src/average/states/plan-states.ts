import { TemperError } from '../../core/index.ts';
import { floatOf, type StateTable, type StateTensor, type StateType } from '../../snapshots/index.ts';
import type { SummedTensor } from '../averaged-tensor.ts';
import type { TensorRules } from '../tensor-plan.ts';

/** How many names a message lists. */
const LISTED = 10;

/** A tensor of a state dict with its counterparts. */
export interface SummedState extends SummedTensor {
  readonly stored: StateType;
}

export interface StatePlan {
  readonly tensors: readonly SummedState[];
  readonly roles: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
}

function listed(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > LISTED ? [`${names.length - LISTED} more`] : [];
  return [`${what}: ${[...names.slice(0, LISTED), ...more].join(', ')}`];
}

const shapeOf = ({ type, dims }: StateTensor): string => `${type} [${dims.join(', ')}]`;

/** What does not fit, as load_state_dict(strict=True) lists it. @throws TemperError MISMATCH_TENSOR */
function assertSameKeys(template: StateTable, table: StateTable): void {
  const missing = [...template.tensors.keys()].filter((name) => !table.tensors.has(name));
  const surplus = [...table.tensors.keys()].filter((name) => !template.tensors.has(name));
  const other = [...template.tensors.values()].flatMap((tensor) => {
    const found = table.tensors.get(tensor.name);
    const same = !found || shapeOf(found) === shapeOf(tensor);
    return same ? [] : [`${tensor.name} ${shapeOf(found)}, expected ${shapeOf(tensor)}`];
  });
  const findings = [
    ...listed('missing', missing),
    ...listed('unexpected', surplus),
    ...listed('other sizes or types', other),
  ];
  if (findings.length === 0) return;
  throw new TemperError('MISMATCH_TENSOR', `${table.path}: does not fit ${template.path}: ${findings.join('; ')}`, {
    hint: 'Average checkpoints of one network; `state` says which weights of each are meant.',
    details: { path: table.path, template: template.path, missing, unexpected: surplus, other },
  });
}

/** What a tensor is by its name, as torch calls BatchNorm's statistics. */
function roleOf({ name, type }: StateTensor, tensors: StateTable['tensors']): string {
  if (floatOf(type) === undefined) return 'counter';
  const [, layer, statistic] = /^(.*?)(running_mean|running_var)$/.exec(name) ?? [];
  if (statistic === undefined) return 'weight';
  const both = tensors.has(`${layer}running_mean`) && tensors.has(`${layer}running_var`);
  return both ? (statistic === 'running_mean' ? 'bn_mean' : 'bn_variance') : 'weight';
}

/**
 * Decides for every tensor of a state dict how the outputs get it: floats are averaged, integers are the last snapshot's.
 * @param tables in plan order; the last gives order and types
 * @throws TemperError MISMATCH_TENSOR for other keys, sizes and types
 */
export function planStates(tables: readonly StateTable[], bn: TensorRules['bn']): StatePlan {
  const template = tables.at(-1) as StateTable;
  for (const table of tables) assertSameKeys(template, table);
  const roles = new Map<string, number>();
  const tensors = [...template.tensors.values()].map((tensor): SummedState => {
    const { name, dims } = tensor;
    const role = roleOf(tensor, template.tensors);
    roles.set(role, (roles.get(role) ?? 0) + 1);
    const type = floatOf(tensor.type);
    const last = type === undefined || (bn === 'last' && role.startsWith('bn_'));
    const sources = tables.map((table) => {
      const source = table.tensors.get(name) as StateTensor;
      return { name, open: () => source.open(), place: () => undefined };
    });
    return { name, role, dims, type, stored: tensor.type, treatment: last ? 'last' : 'average', sources };
  });
  const notes = new Set(
    tables.map(({ state: { taken, candidates } }) =>
      candidates.length > 1 ? `weights of ${taken} are averaged; there are ${candidates.join(', ')} (\`state\`)` : '',
    ),
  );
  return { tensors, roles, notes: [...notes].filter((text) => text !== '') };
}

import { TemperError } from '../../core/index.ts';
import type { StateChoice } from '../state-table.ts';
import { type StateCandidate, type StateRole, WHOLE_FILE } from './candidate.ts';

/** Keys under which trainers keep the model, the usual first. */
const MODEL_KEYS = [
  'state_dict',
  'model_state_dict',
  'model_state',
  'model',
  'net',
  'network',
  'params',
  'module',
  'weights',
  'model_weights',
  WHOLE_FILE,
];
const EMA_KEYS = ['state_dict_ema', 'model_ema', 'ema_state_dict', 'ema_model', 'params_ema', 'ema'];
const PREFERRED = [...EMA_KEYS, ...MODEL_KEYS];

/** Which roles each rule takes, the first that there is. */
const RULES: Readonly<Record<string, readonly StateRole[]>> = {
  // timm's avg_checkpoints takes EMA weights where there are some, too.
  auto: ['ema', 'average', 'model', 'raw'],
  ema: ['ema', 'average'],
  average: ['average', 'ema'],
  raw: ['raw', 'model'],
};

const listed = (candidates: readonly StateCandidate[]): string =>
  candidates.map(({ key, role }) => `${key} (${role})`).join(', ');

function notThere(path: string, candidates: readonly StateCandidate[], wanted: string): TemperError {
  return new TemperError('USAGE', `\`state\` ${wanted}: ${path} has ${listed(candidates)}`, {
    hint: 'Name one of these, or leave `state` out.',
    details: { path, state: wanted, candidates: candidates.map(({ key }) => key) },
  });
}

function only(path: string, candidates: readonly StateCandidate[]): StateCandidate {
  const [first] = candidates as [StateCandidate];
  if (candidates.length === 1) return first;
  const preferred = PREFERRED.map((key) => candidates.find((one) => one.key === key)).find((one) => one !== undefined);
  if (preferred) return preferred;
  throw new TemperError('USAGE', `${path}: several sets of weights: ${listed(candidates)}`, {
    hint: `Say which: \`state\` ${first.key}`,
    details: { path, candidates: candidates.map(({ key }) => key) },
  });
}

/**
 * The state dict that a choice means: that of this key, else by a rule. `auto`: EMA weights where there are some, else an average, else the model. `model`: what
 * the file calls its model, be it an average. `raw`: as trained, no average. `ema`, `average`: each, else the other.
 * @throws TemperError USAGE if there is none, or several without a usual one; UNSUPPORTED_FORMAT for a file without weights
 */
export function chooseState(path: string, candidates: readonly StateCandidate[], choice: StateChoice): StateCandidate {
  if (candidates.length === 0) {
    throw new TemperError('UNSUPPORTED_FORMAT', `${path}: no weights by name were found in it`, {
      hint: 'Save a state dict: torch.save(model.state_dict(), …).',
      details: { path },
    });
  }
  const named = candidates.find(({ key }) => key === choice);
  if (named) return named;
  if (choice === 'model') {
    const usual = MODEL_KEYS.map((key) => candidates.find((one) => one.key === key)).find((one) => one !== undefined);
    const models = candidates.filter(({ role }) => role === 'model');
    if (usual ?? models[0]) return usual ?? only(path, models);
    throw notThere(path, candidates, choice);
  }
  for (const role of (Object.hasOwn(RULES, choice) && RULES[choice]) || []) {
    const ofRole = candidates.filter((one) => one.role === role);
    if (ofRole.length > 0) return only(path, ofRole);
  }
  throw notThere(path, candidates, choice);
}

import { type Model, provenanceSteps } from '../onnx/index.ts';

/** What of a step's settings tells most, in the order of the text. */
const TOLD = ['average', 'estimator', 'method', 'mode', 'epoch', 'data', 'n_images', 'size'];

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function stepText(step: number, value: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return `${step}: no JSON`;
  }
  if (!isObject(parsed)) return `${step}: no JSON object`;
  const { tool, version, command, inputs } = parsed;
  const settings = TOLD.flatMap((name) => {
    const one = parsed[name];
    return typeof one === 'string' || typeof one === 'number' ? [`${name} ${one}`] : [];
  });
  const count = Array.isArray(inputs) ? [`${inputs.length} inputs`] : [];
  const what = [...count, ...settings].join(', ');
  const [did, by, as] = [command, tool, version].map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
  return `${step}: ${did} of ${by} ${as}${what ? ` (${what})` : ''}`;
}

/** What onnx-temper did to a model, step by step, by its metadata. */
export const provenanceTexts = ({ record }: Pick<Model, 'record'>): string[] =>
  provenanceSteps(record).map(({ step, value }) => stepText(step, value));

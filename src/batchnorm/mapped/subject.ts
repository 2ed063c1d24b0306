import { basename } from 'node:path';
import { type Control, sha256OfFile, TemperError } from '../../core/index.ts';
import {
  applyEdits,
  type Edit,
  type Model,
  modelFromBytes,
  modelHashes,
  openModel,
  readPayload,
  replaceInline,
  tensorsOfModel,
} from '../../onnx/index.ts';
import {
  isCheckpoint,
  mappedBytes,
  mapSummary,
  openState,
  type ProvedMap,
  recordedFiles,
  type StateChoice,
  type StateTable,
  stateReader,
  type TemplateOptions,
  withTemplate,
} from '../../snapshots/index.ts';
import { openRecordedInputs } from './recorded-inputs.ts';
import type { StateReader } from './refold.ts';

/** What is recalibrated: an ONNX model, or a training checkpoint in a template. */
export interface SubjectOptions extends TemplateOptions {
  /** An ONNX model with BatchNormalization kept or folded; with a `template` a training checkpoint, or an average of some. */
  readonly model: string;
  /** Which weights of a training checkpoint: a rule, or a key of the file. @default 'auto', EMA weights where there are some */
  readonly state?: StateChoice | undefined;
}

/** A state dict behind a model. */
interface StateBehind {
  readonly map: ProvedMap;
  readonly values: StateReader;
}

/** The network that is recalibrated, as a graph with its weights. */
export interface Subject {
  /** A file; of a checkpoint the template with its weights, in memory. */
  readonly model: Model;
  /** Base name of what the weights are from. */
  readonly name: string;
  readonly state: StateBehind | undefined;
  /** What no output may be, beside the model. */
  readonly files: readonly string[];
  /** What it was made from, for the record. */
  readonly origin: () => Promise<Readonly<Record<string, unknown>>>;
}

/** @throws TemperError USAGE for a kind of file that does not go with the other options */
function checkKinds({ model, template, templateOf, state }: SubjectOptions): void {
  const checkpoint = isCheckpoint(model);
  if (checkpoint && template === undefined) {
    throw new TemperError('USAGE', `${model}: a training checkpoint cannot be run without a graph`, {
      hint: 'Give an ONNX export of a checkpoint of the same network: `template` model.onnx.',
      details: { path: model },
    });
  }
  if (checkpoint) return;
  const [option] = Object.entries({ template, templateOf, state }).find(([, value]) => value !== undefined) ?? [];
  if (option === undefined) return;
  throw new TemperError('USAGE', `\`${option}\` is for training checkpoints; ${model} is none`, {
    hint: `Leave \`${option}\` out, or name a checkpoint: what avg-ckpt writes without a template is one.`,
    details: { option, path: model },
  });
}

/**
 * A template with the weights of a state dict, as avg-ckpt writes it, in one piece of memory.
 * @throws TemperError NUMERIC_*
 */
function mappedModel(template: Model, { map, values }: StateBehind, assertUnchanged: () => void): Model {
  const edits: Edit[] = [];
  const written = new Set(
    map.entries.flatMap((entry) => {
      if (entry.expression.kind === 'constant') return [];
      edits.push(...replaceInline(entry.tensor.record, mappedBytes(template, entry, values)));
      return [entry.tensor.record];
    }),
  );
  for (const tensor of tensorsOfModel(template.record))
    if (tensor.payload.kind === 'external' && !written.has(tensor))
      edits.push(...replaceInline(tensor, readPayload(template, tensor)));
  return { ...modelFromBytes(applyEdits(template, edits)), path: template.path, assertUnchanged };
}

async function recorded(table: StateTable): Promise<ReturnType<typeof recordedFiles>> {
  const digests = await Promise.all(table.files.map(({ path }) => sha256OfFile(path)));
  return { ...recordedFiles(table, digests), state: table.state.taken };
}

async function withCheckpoint<T>(
  options: SubjectOptions & { readonly template: string },
  control: Control,
  use: (subject: Subject) => Promise<T>,
): Promise<T> {
  const table = openState(options.model, { state: options.state });
  const made = options.templateOf === undefined ? openRecordedInputs(options.model) : [];
  try {
    return await withTemplate(options, { tables: [table], all: [table, ...made] }, control, ({ template, prove }) => {
      const map = prove();
      const { reference } = map;
      const state: StateBehind = { map, values: stateReader(table) };
      const used = [template, table, reference];
      return use({
        model: mappedModel(template, state, () => {
          for (const one of used) one.assertUnchanged();
        }),
        name: basename(options.model),
        state,
        files: [
          ...template.externalLocations.map((location) => template.external(location).path),
          ...[table, reference].flatMap(({ files }) => files.map(({ path }) => path)),
        ],
        origin: async () => ({
          input: await recorded(table),
          template_file: await modelHashes(template),
          template_of: await recorded(reference),
          map: mapSummary(map),
        }),
      });
    });
  } finally {
    for (const one of [table, ...made]) one.close();
  }
}

/**
 * Opens what is recalibrated. Memory: of a checkpoint the template's size.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*; MISMATCH_TENSOR for a template that the checkpoint does not explain
 */
export async function withSubject<T>(
  options: SubjectOptions,
  control: Control,
  use: (subject: Subject) => Promise<T>,
): Promise<T> {
  checkKinds(options);
  const { template } = options;
  if (template !== undefined) return withCheckpoint({ ...options, template }, control, use);
  const model = openModel(options.model);
  try {
    const origin = async () => ({ input: await modelHashes(model) });
    return await use({ model, name: basename(model.path), state: undefined, files: [], origin });
  } finally {
    model.close();
  }
}

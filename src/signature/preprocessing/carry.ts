import { dirname, join } from 'node:path';
import { canonicalJson, TemperError, version, writeFileAtomic } from '../../core/index.ts';
import { isTransform, type Transform } from '../../data/index.ts';
import {
  type Edit,
  type MetadataEntry,
  type Model,
  nextStepKey,
  removeMetadata,
  stepKeyAfter,
} from '../../onnx/index.ts';
import { declaredInputs } from '../model-input.ts';
import { transformFor } from '../model-transform.ts';
import { type ConfigText, configTexts } from './config-text.ts';
import { embeddedTransform, embedEdits } from './embed.ts';
import { PREPROCESSING_KEY, parseRecord, type RecordedPreprocessing, recordedText, recordText } from './recorded.ts';

/** How a model that is written says what its images go through, beside the entry in its metadata. */
export interface CarryOptions {
  /** Write config.json and preprocessor_config.json beside the model, which timm and transformers read. @default false */
  readonly writeConfig?: boolean | undefined;
  /** Write scale, mean and deviation into the graph, which then takes 8-bit pixels, NHWC. @default false */
  readonly embedPreprocessing?: boolean | undefined;
}

/** What becomes of a model's preprocessing when it is written: edits, entries of its metadata, files beside it. */
export interface Carried {
  readonly edits: readonly Edit[];
  /** Before the entry of this run's step. */
  readonly metadata: readonly MetadataEntry[];
  /** Behind it: embedding is a step of its own. */
  readonly later: readonly MetadataEntry[];
  readonly configs: readonly ConfigText[];
  readonly notes: readonly string[];
}

const NOTHING_CARRIED: Carried = { edits: [], metadata: [], later: [], configs: [], notes: [] };

/** Makes the entry of a model this text, or none; nothing, where it is that already. */
export function recordAs(model: Model, text: string | undefined): Pick<Carried, 'edits' | 'metadata'> {
  if (recordedText(model) === text) return NOTHING_CARRIED;
  return {
    edits: removeMetadata(model, PREPROCESSING_KEY),
    metadata: text === undefined ? [] : [{ key: PREPROCESSING_KEY, value: text }],
  };
}

/**
 * What a model is written with.
 * @param recorded what it was measured with; undefined where nothing is known
 * @param after the step of this run, which comes before that of embedding
 * @throws TemperError USAGE where a configuration is asked for and nothing is known; UNSUPPORTED_GRAPH
 */
export function carried(
  model: Model,
  recorded: RecordedPreprocessing | undefined,
  options: CarryOptions & { readonly input?: string | undefined },
): Carried {
  const { writeConfig = false, embedPreprocessing = false, input } = options;
  if (!recorded) {
    if (!writeConfig && !embedPreprocessing) return NOTHING_CARRIED;
    const option = writeConfig ? 'writeConfig' : 'embedPreprocessing';
    throw new TemperError('USAGE', `\`${option}\`: nothing says what images of ${model.path} go through`, {
      hint: 'Put its configuration beside it, or name that with `config`.',
    });
  }
  const { transform, classNames } = recorded;
  const embedded = embedPreprocessing ? { transform: embeddedTransform(transform), classNames } : recorded;
  const entry = recordAs(model, recordText(embedded));
  const { files, notes } = writeConfig ? configTexts(embedded) : { files: [], notes: [] };
  if (!embedPreprocessing) return { ...entry, later: [], configs: files, notes };
  const step = { tool: 'onnx-temper', version, command: 'embed-preprocessing', transform };
  return {
    edits: [...entry.edits, ...embedEdits(model, declaredInputs(model), transform, input)],
    metadata: entry.metadata,
    later: [{ key: stepKeyAfter(nextStepKey(model.record)), value: canonicalJson(step) }],
    configs: files,
    notes,
  };
}

/**
 * The transform and the names that a run used; undefined for numbers that were ready for the network.
 * @param names the data's, by class, for a model that has none of its own; numbers are no names
 */
export function measuredWith(
  model: Model,
  transform: Transform | undefined,
  names?: readonly string[],
): RecordedPreprocessing | undefined {
  if (!transform || !isTransform(transform)) return undefined;
  const known = declaredInputs(model).facts?.().classNames?.value;
  return { transform, classNames: known ?? (names?.every((name) => /^\d+$/.test(name)) ? undefined : names) };
}

/** What an average is written with that was measured on images; without a transform what it inherits. */
export function carriedBy(
  models: readonly Model[],
  template: Model,
  transform: Transform | undefined,
  names: readonly string[] | undefined,
): Carried {
  const recorded = measuredWith(template, transform, names);
  return recorded ? carried(template, recorded, {}) : inherited(models, template, {});
}

/**
 * What averages inherit: the entry of all inputs, where it is one; else, for files beside it or a graph with it, what is found.
 * @throws TemperError as transformFor; USAGE where something is asked for and fields are guesses
 */
export function inherited(
  models: readonly Model[],
  template: Model,
  options: CarryOptions & { readonly config?: string | undefined },
): Carried {
  const [text, ...others] = new Set(models.map(recordedText));
  if (others.length > 0) {
    if (options.writeConfig === true || options.embedPreprocessing === true) {
      throw new TemperError('MISMATCH_VALUE', 'the snapshots were measured with different preprocessing', {
        hint: 'Average snapshots of one preprocessing, or leave `writeConfig` and `embedPreprocessing` out.',
      });
    }
    const notes = ['the snapshots were measured with different preprocessing: the average says none'];
    return { ...NOTHING_CARRIED, ...recordAs(template, undefined), notes };
  }
  if (text !== undefined) return carried(template, parseRecord(text), options);
  if (options.writeConfig !== true && options.embedPreprocessing !== true) return NOTHING_CARRIED;
  return carried(template, foundRecord(template, options.config), options);
}

/** What configurations say, where they say what matters. */
function foundRecord(model: Model, config: string | undefined): RecordedPreprocessing | undefined {
  const declared = declaredInputs(model);
  const choice = config === undefined ? {} : { config };
  const [input] = declared.inputs;
  const said = input && declared.facts?.().preprocessing({ input: input.name, ...choice }).stated;
  if (!said?.some(({ mean, target }) => mean !== undefined && target !== undefined)) return undefined;
  return measuredWith(model, transformFor(choice, declared, undefined));
}

/** Where configuration files of a model would be written. */
export function configTargets(out: string, { writeConfig }: CarryOptions): string[] {
  return writeConfig === true
    ? ['config.json', 'preprocessor_config.json'].map((name) => join(dirname(out), name))
    : [];
}

/** Writes the configuration files beside a model. @throws TemperError OUTPUT_EXISTS, OUTPUT_WRITE */
export function writeConfigs({ configs }: Carried, out: string, force: boolean): void {
  for (const { name, text } of configs) writeFileAtomic(join(dirname(out), name), text, { force });
}

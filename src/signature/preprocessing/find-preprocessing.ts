import { basename } from 'node:path';
import { configPaths, isFields, readConfig } from './config-file.ts';
import type { GraphInput } from './graph-input.ts';
import { metadataSources, timmPart } from './model-metadata.ts';
import { readProcessor } from './processor-config.ts';
import { recordedSource } from './recorded.ts';
import type { Sources, Stated, WithMetadata } from './stated.ts';
import { readTimm } from './timm-config.ts';

/** All that says something of a model's preprocessing, by itself. */
export interface Preprocessing extends Sources {
  readonly graph: GraphInput | undefined;
}

/** Members by which a configuration that is not called so is known as a processor's. */
const PROCESSOR_FIELDS = ['image_processor_type', 'feature_extractor_type', 'image_mean', 'do_normalize', 'do_resize'];
/** A file of this name describes a network, and may say nothing of its images. */
const NETWORK_FILE = 'config.json';

/** What one file says; nothing, where it is a configuration of something else. */
function fileSources(path: string): { stated: Stated[]; notes: string[] } {
  const file = readConfig(path);
  const timm = timmPart(file);
  const own = basename(path) !== NETWORK_FILE || PROCESSOR_FIELDS.some((name) => Object.hasOwn(file.fields, name));
  if (!timm && !own) return { stated: [], notes: [] };
  const { stated, notes } = timm ? readTimm(timm) : readProcessor(file);
  return { stated: [stated], notes };
}

/**
 * What is said of a model's images: by our own record, by files, by other metadata, in this order.
 * @param path where the model lies, if it is a file
 * @param config the file or folder to read instead of those beside the model; `none`
 * @throws TemperError INPUT_*, FORMAT_*, UNSUPPORTED_FORMAT
 */
export function findPreprocessing(
  model: WithMetadata,
  { path, config, graph }: { path: string | undefined; config: string | undefined; graph: GraphInput | undefined },
): Preprocessing {
  const files = configPaths(path, config).map(fileSources);
  const metadata = metadataSources(model);
  return {
    stated: [...recordedSource(model), ...files.flatMap(({ stated }) => stated), ...metadata.stated],
    notes: [...files.flatMap(({ notes }) => notes), ...metadata.notes],
    graph,
  };
}

/** Class names as a configuration's `id2label` has them: a JSON text of it. */
export function labelsText(fields: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.hasOwn(fields, 'id2label') ? fields.id2label : undefined;
  return isFields(names) || Array.isArray(names) ? JSON.stringify(names) : undefined;
}

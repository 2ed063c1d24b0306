import { existsSync } from 'node:fs';
import { type Control, canonicalJson, openFile, TemperError } from '../../core/index.ts';
import type { Size } from '../../data/index.ts';
import { type Model, modelSha256, openModel } from '../../onnx/index.ts';
import { declaredInputs, modelInput, transformsAt } from '../../signature/index.ts';
import type { ChosenLayers } from '../choose-layers.ts';
import type { JobImages } from '../job-images.ts';
import type { RecalibrateOptions } from '../job-options.ts';
import { readMomentsFile } from '../moments-file.ts';
import { type ImageOptions, openImages } from '../open-images.ts';
import { findIngredients } from './ingredients.ts';
import {
  type Ingredient,
  isPlanned,
  measureReference,
  planReference,
  type Reference,
  type ReferencePlan,
} from './reference.ts';
import { unfold } from './unfold.ts';

/** A job's file, its layers, and the images that it is recalibrated for. */
export interface ReferenceJob {
  readonly model: Model;
  readonly chosen: ChosenLayers;
  readonly images: JobImages;
  readonly options: RecalibrateOptions;
}

const sizeOf = (size: number | Size): Size => (typeof size === 'number' ? { height: size, width: size } : size);

/** The choice of reference images: other images, at another size, in other views. */
function referenceChoice({ model, images, options }: ReferenceJob): ImageOptions {
  const { data, reference, referenceSize, referenceViews, trainSize, input, transform, views } = options;
  const declared = declaredInputs(model);
  const size = referenceSize ?? trainSize ?? modelInput(declared, input).fixed;
  const source = reference ?? data;
  const rest = { ...options, data: source, batch: images.batch, views: referenceViews ?? views };
  if (images.transform === undefined) {
    if (referenceSize === undefined) return rest;
    throw new TemperError(
      'USAGE',
      `${images.dataset.source}: numbers ready for the network, \`referenceSize\` has no use`,
      {
        hint: 'Leave it out, or name a data set of images.',
      },
    );
  }
  const test = images.transform.crop;
  const { train } = transformsAt(
    declared,
    { train: size === undefined ? test : sizeOf(size), test },
    { transform, input },
  );
  return { ...rest, transform: train };
}

/** A file of moments whose reference is used again. */
const isMomentsFile = (source: string): boolean => source.endsWith('.safetensors') && existsSync(source);

/** The reference that a file of moments keeps. @throws TemperError MISMATCH_VALUE for another model or other layers */
async function keptReference(path: string, { model, chosen: { folded } }: ReferenceJob): Promise<Reference> {
  const source = openFile(path);
  try {
    const { run, reference } = readMomentsFile(source);
    const sha256 = await modelSha256(model);
    const differs = (what: string, found: string, expected: string): TemperError =>
      new TemperError('MISMATCH_VALUE', `${path}: ${what} is ${found}, expected ${expected}`, {
        hint: 'Give a file of moments that was made with the same model and `layers`.',
        details: { path, found, expected },
      });
    if (run.model_sha256 !== sha256) throw differs('the SHA-256 of its model', run.model_sha256, sha256);
    const names = (layers: readonly { readonly name: string }[]): string => layers.map(({ name }) => name).join(', ');
    const there = run.layers.filter((_, l) => reference?.layers.includes(l));
    if (!reference || names(there) !== names(folded))
      throw differs('what it keeps the moments of', names(there) || 'nothing', names(folded));
    return reference;
  } finally {
    source.close();
  }
}

const SAME = ['data_table_sha256', 'rows_sha256', 'transform', 'views'] as const;

/** Refuses a reference that is the target: nothing would change. @throws TemperError USAGE */
async function assertOther(
  { model }: ReferenceJob,
  { ingredients, described }: ReferencePlan,
  target: ReferencePlan,
): Promise<void> {
  const isSame = SAME.every((field) => canonicalJson(described[field]) === canonicalJson(target.described[field]));
  if (!isSame) return;
  const sha256 = await modelSha256(model);
  for (const ingredient of ingredients) if ((await modelSha256(ingredient.model)) !== sha256) return;
  throw new TemperError(
    'USAGE',
    `${model.path}: its BatchNormalization was folded, and its moments on the images that it is recalibrated for are what they were: reference and target have the same images, transform, size and weights`,
    {
      hint: 'Give `referenceSize` (the size that the network was trained at), `reference` or `referenceViews` (images and views like those of training), or `ingredients` (the snapshots that it is an average of).',
      details: { path: model.path },
    },
  );
}

async function withIngredients<T>(
  { model, options }: ReferenceJob,
  work: (ingredients: readonly Ingredient[]) => Promise<T>,
): Promise<T> {
  const found = await findIngredients(model, options.ingredients);
  if (found === undefined) return work([{ model, weight: 1 }]);
  const opened: Ingredient[] = [];
  try {
    for (const { path, weight } of found) opened.push({ model: openModel(path), weight: weight ?? 1 / found.length });
    return await work(opened);
  } finally {
    for (const ingredient of opened) ingredient.model.close();
  }
}

/**
 * The goals of a model's folded layers: kept ones of the same job, those of a file of moments, or measured.
 * @param earlier what an earlier run of the job has left; used if it is of the same reference
 * @returns undefined where no layer is folded, or a map tells what was
 * @throws TemperError USAGE where reference and target are the same; INPUT_*, MISMATCH_*, EXECUTION_*, NUMERIC_*
 */
export async function referenceOf(
  job: ReferenceJob,
  control: Control,
  earlier: () => Reference | undefined = () => undefined,
): Promise<Reference | undefined> {
  const { model, chosen, images, options } = job;
  if (chosen.folded.every(({ fold }) => fold !== undefined)) {
    const { reference, referenceSize, referenceViews, ingredients } = options;
    const [idle] =
      Object.entries({ reference, referenceSize, referenceViews, ingredients }).find(
        ([, value]) => value !== undefined,
      ) ?? [];
    if (idle !== undefined)
      control.note(
        `\`${idle}\` has no use: ${chosen.folded.length > 0 ? 'the checkpoint tells what was folded' : `${model.path} keeps its BatchNormalization`}`,
      );
    return undefined;
  }
  const { source } = options.reference ?? options.data;
  if (isMomentsFile(source)) return keptReference(source, job);
  const probe = unfold(model, chosen);
  const others = await openImages(probe.model, probe.layers, referenceChoice(job), { ...control, note: () => {} });
  try {
    return await withIngredients(job, async (ingredients) => {
      const plan = await planReference(ingredients, { ...others, note: images.note });
      await assertOther(job, plan, await planReference([], images));
      const kept = earlier();
      if (kept && isPlanned(kept, plan)) return kept;
      return measureReference(model, chosen, plan, options, control);
    });
  } finally {
    await others.dataset.close();
  }
}

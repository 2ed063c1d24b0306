import { type Control, TemperError } from '../core/index.ts';
import { assertInference, foldedNorms, KEEP_NORMS, type Model } from '../onnx/index.ts';
import type { StateMap } from '../snapshots/index.ts';
import { type BatchNormLayer, keptLayers } from './find-layers.ts';
import { type ConsideredLayer, findFolded } from './folded/find-folded.ts';
import type { FoldableLayer } from './folded/foldable-layer.ts';
import { normsText, type OtherNorms } from './folded/other-norms.ts';
import type { SkippedLayer } from './layers-in-file.ts';
import { foldsOfMap } from './mapped/known-folds.ts';
import { type SubjectOptions, withSubject } from './mapped/subject.ts';

/** The layers of a file that are recalibrated: those that it keeps, and those that a BatchNormalization was folded into. */
export interface ChosenLayers {
  readonly kept: readonly BatchNormLayer[];
  readonly folded: readonly FoldableLayer[];
  /** Kept, but out of reach. */
  readonly skipped: readonly SkippedLayer[];
  /** What is worth saying of the network. */
  readonly notes: readonly string[];
}

/** A layer of a model that can be recalibrated or that looks like one, as plain data. */
export interface LayerCandidate {
  /** As `layers` calls it. */
  readonly name: string;
  readonly kind: 'kept' | 'folded';
  /** The operator, as the graph has it. */
  readonly operator: string;
  /** Absent where it is not known. */
  readonly channels: number | undefined;
  /** Whether it is recalibrated. */
  readonly chosen: boolean;
  readonly reason: string;
}

interface Looked {
  readonly model: Model;
  readonly kept: readonly BatchNormLayer[];
  readonly skipped: readonly SkippedLayer[];
  readonly considered: readonly ConsideredLayer[];
  readonly norms: OtherNorms;
}

interface Pattern {
  readonly text: string;
  /** Without a *: such a name takes layers that have another purpose, too. */
  readonly exact: boolean;
  readonly fits: (name: string) => boolean;
}

const patternOf = (text: string): Pattern => {
  const test = new RegExp(`^${text.replace(/[\\^$.|+?()[\]{}]/g, '\\$&').replace(/\*/g, '.*')}$`, 's');
  return { text, exact: !text.includes('*'), fits: (name) => test.test(name) };
};

/** Which verdicts a layer may have to be taken: by default, by a pattern, by its own name. */
function isTaken({ name, verdict }: ConsideredLayer, patterns: readonly Pattern[]): boolean {
  if (patterns.length === 0) return verdict === 'candidate';
  return patterns.some(
    ({ exact, fits }) =>
      fits(name) && (verdict === 'candidate' || verdict === 'doubtful' || (exact && verdict === 'apart')),
  );
}

function look(model: Model, map: StateMap | undefined): Looked {
  const { layers: kept, skipped } = keptLayers(model);
  const found = findFolded(model);
  const { considered, norms, skipped: more } = map ? foldsOfMap(found, map) : { ...found, skipped: [] };
  return { model, kept, skipped: [...skipped, ...more], considered, norms };
}

/** Why there is nothing to recalibrate. */
function nothing({ model, skipped, considered, norms }: Looked): TemperError {
  const { path } = model;
  const refuse = (what: string, hint: string): TemperError =>
    new TemperError('UNSUPPORTED_GRAPH', `${path}: ${what}`, { hint, details: { path, skipped } });
  const [first] = skipped;
  if (first) {
    const what = `none of its ${skipped.length} BatchNormalization layers can be recalibrated`;
    return refuse(`${what}: ${first.name}: ${first.reason}`, KEEP_NORMS);
  }
  if (foldedNorms(model.record) === 'onnxruntime') {
    const what =
      'has no BatchNormalization: the file was optimized by onnxruntime, which folds it into the convolutions';
    return refuse(
      what,
      'Go back to the file as it was exported: bn-recal takes it, with BatchNormalization or with it folded.',
    );
  }
  if (norms.counts.size > 0) {
    const what = `has no BatchNormalization, and ${normsText(norms)} computes its statistics from each image: there is nothing to recalibrate`;
    return refuse(what, 'Such networks need no bn-recal, at any size and after averaging.');
  }
  const doubtful = considered.find(({ verdict }) => verdict === 'doubtful');
  const why = doubtful ? `: ${doubtful.name}: ${doubtful.reason}` : '';
  return refuse(
    `has no BatchNormalization, and no layer that one was folded into${why}`,
    doubtful
      ? `If it was folded before the export, name the layers: \`layers\` '*'. ${KEEP_NORMS}`
      : 'There is nothing to recalibrate.',
  );
}

function assertPatterns({ model, kept, considered }: Looked, patterns: readonly Pattern[]): void {
  for (const { text, exact, fits } of patterns) {
    const there =
      kept.some(({ name }) => fits(name)) || considered.some((one) => isTaken(one, [{ text, exact, fits }]));
    if (there) continue;
    const one = considered.find(({ name }) => fits(name));
    if (one?.verdict === 'impossible') {
      throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: ${one.name} cannot be recalibrated: ${one.reason}`, {
        hint: 'Leave it out of `layers`.',
        details: { path: model.path, layer: one.name },
      });
    }
    const names = [...kept, ...considered.filter(({ verdict }) => verdict === 'candidate')].map(({ name }) => name);
    throw new TemperError('USAGE', `\`layers\` ${text}: fits no layer; there are ${names.join(', ')}`, {
      hint: 'Name layers as the report does, with * for any characters.',
    });
  }
}

function notesOf({ norms, considered, kept }: Looked, folded: readonly FoldableLayer[]): string[] {
  // Where a map tells which layers had BatchNormalization, that others had none is nothing to say.
  const isKnown = folded.some(({ fold }) => fold !== undefined);
  const refused = considered.filter(
    ({ verdict, operator }) => !isKnown && verdict === 'impossible' && operator !== 'MatMul',
  );
  const [first] = refused;
  return [
    ...(norms.counts.size > 0 ? [`${normsText(norms)} needs nothing: it keeps no statistics`] : []),
    ...(folded.length > 0
      ? [
          `${folded.length} layers that BatchNormalization was folded into${kept.length > 0 ? `, and ${kept.length} that are kept,` : ''} are recalibrated`,
        ]
      : []),
    ...(first && folded.length > 0
      ? [`${refused.length} layers are left as they are: ${first.name}: ${first.reason}`]
      : []),
  ];
}

/**
 * The layers of a model that are recalibrated.
 * @param map of a template: it says into which layers BatchNormalization was folded
 * @param names with * for any characters; all candidates without. A name without * takes a layer that has another purpose, too
 * @throws TemperError UNSUPPORTED_GRAPH if there is nothing to recalibrate, saying why; USAGE for a name that fits no layer
 */
export function chooseLayers(model: Model, names: readonly string[], map?: StateMap): ChosenLayers {
  const looked = look(model, map);
  const patterns = names.map(patternOf);
  if (looked.kept.length === 0 && !looked.considered.some((one) => isTaken(one, patterns)) && patterns.length === 0)
    throw nothing(looked);
  assertPatterns(looked, patterns);
  const kept = looked.kept.filter(({ name }) => patterns.length === 0 || patterns.some(({ fits }) => fits(name)));
  const places = new Map(model.record.graph.nodes.map((node, place) => [node, place]));
  // In the order in which copies have the layers that are put behind them.
  const folded = looked.considered
    .flatMap((one) => (one.layer && isTaken(one, patterns) ? [one.layer] : []))
    .sort((a, b) => (places.get(a.end) as number) - (places.get(b.end) as number));
  if (folded.length > 0) assertInference(model);
  return { kept, folded, skipped: looked.skipped, notes: notesOf(looked, folded) };
}

/** {@link layerCandidates} of a file, or of a checkpoint in a template. @throws TemperError also INPUT_*, FORMAT_*, MISMATCH_TENSOR */
export function fileCandidates(
  options: SubjectOptions,
  names: readonly string[],
  control: Control,
): Promise<LayerCandidate[]> {
  return withSubject(options, control, async ({ model, state }) => layerCandidates(model, names, state?.map));
}

/**
 * What `recalibrate` would measure in a model, and why it leaves other layers out: every BatchNormalization, and every
 * convolution, linear layer or product and sum that one may have been folded into. Reads the graph alone.
 * @param names as `layers` of recalibrate
 * @throws TemperError UNSUPPORTED_GRAPH for an export in training mode
 */
export function layerCandidates(model: Model, names: readonly string[] = [], map?: StateMap): LayerCandidate[] {
  const { kept, skipped, considered } = look(model, map);
  const patterns = names.map(patternOf);
  const operator = 'BatchNormalization';
  return [
    ...kept.map(({ name, channels }): LayerCandidate => {
      const chosen = patterns.length === 0 || patterns.some(({ fits }) => fits(name));
      return { name, kind: 'kept', operator, channels, chosen, reason: 'its statistics are stored' };
    }),
    ...skipped.map(
      ({ name, reason }): LayerCandidate => ({
        name,
        kind: 'kept',
        operator,
        channels: undefined,
        chosen: false,
        reason,
      }),
    ),
    ...considered.map(
      (one): LayerCandidate => ({
        ...{ name: one.name, kind: 'folded', operator: one.operator, channels: one.channels },
        ...{ chosen: isTaken(one, patterns), reason: one.reason },
      }),
    ),
  ];
}

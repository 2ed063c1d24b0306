import { findLayers, type LayerCandidate, layerCandidates, unmeasuredText } from '../batchnorm/index.ts';
import { TemperError } from '../core/index.ts';
import {
  classifyTensors,
  dataTypeName,
  elementCount,
  foldedNorms,
  type Model,
  nodesOf,
  openPayload,
  scopesOf,
  storedByteLength,
} from '../onnx/index.ts';
import { batchDependence } from './batch-dependence.ts';
import { type Facts, fact, factsOf, type Problem, problemOf } from './inspected.ts';
import { provenanceTexts } from './provenance-facts.ts';
import { quantization } from './quantization.ts';

const GRAPH = 'the graph';
const METADATA = 'metadata_props';
const HEAD = "the file's head";
const OURS = /^onnx_temper\.\d+$/;

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Names by how often they occur, most first: "Conv 20". */
function counted(names: Iterable<string>): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([name, count]) => `${name} ${count}`);
}

/** What the file says of itself, and what its nodes are. */
export function headFacts({ record }: Model): Facts {
  const { irVersion, opsets, producer, metadata, graph } = record;
  const operators = graph.nodes.map(({ domain, opType }) => (domain === '' ? opType : `${domain}.${opType}`));
  // onnxruntime lists all that it knows.
  const used = new Set(['', ...graph.nodes.map(({ domain }) => domain)]);
  const sets = [...opsets].filter(([domain]) => used.has(domain));
  const others = metadata.map(({ key }) => key).filter((key) => !OURS.test(key));
  return factsOf({
    opset: fact(sets.map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`).join(', '), HEAD),
    ir_version: fact(irVersion, HEAD),
    producer: producer === '' ? undefined : fact(producer, HEAD),
    metadata: others.length === 0 ? undefined : fact(others, METADATA),
    n_nodes: fact(operators.length, GRAPH),
    operators: operators.length === 0 ? undefined : fact(counted(operators), GRAPH),
  });
}

const PARAMETERS: ReadonlySet<string> = new Set(['weight', 'bn_mean', 'bn_variance', 'quantized_weight']);

/** Weights by number, type and bytes. */
export function weightFacts(model: Model): Facts {
  let [parameters, bytes] = [0, 0];
  const types: string[] = [];
  for (const [tensor, { roles }] of classifyTensors(model.record)) {
    if (![...roles].some((role) => PARAMETERS.has(role))) continue;
    parameters += elementCount(tensor.dims);
    bytes += storedByteLength(tensor) || 0;
    types.push(dataTypeName(tensor.dataType));
  }
  const source = 'the weights of the graph, statistics of BatchNormalization included';
  return factsOf({
    parameters: fact(parameters, source),
    parameter_bytes: fact(bytes, source),
    parameter_types: types.length === 0 ? undefined : fact(counted(types), source),
  });
}

/** The files that weights lie in. @returns also why one of them cannot be read */
export function externalFacts(model: Model): { readonly facts: Facts; readonly error: Problem | undefined } {
  let error: Problem | undefined;
  const attempt = (read: () => unknown): boolean => {
    try {
      read();
      return true;
    } catch (caught) {
      if (!(caught instanceof TemperError)) throw caught;
      if (caught.code === 'UNSUPPORTED_DATA_TYPE') return true;
      error ??= problemOf(caught);
      return false;
    }
  };
  const files = model.externalLocations.map((location) =>
    attempt(() => model.external(location))
      ? `${location}, ${model.external(location).size} bytes`
      : `${location}, which cannot be read`,
  );
  // Whether every tensor has the bytes that its dims and type need: nothing is read.
  for (const tensor of classifyTensors(model.record).keys()) if (!attempt(() => openPayload(model, tensor))) break;
  return { facts: factsOf({ external_data: files.length === 0 ? undefined : fact(files, 'data_location') }), error };
}

/** Layers that are named of each reason; bn-recal `dryRun` lists all. */
const NAMED_LAYERS = 3;

/** Layers that BatchNormalization may have been folded into, in words, by reason. */
function candidateTexts(candidates: readonly LayerCandidate[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { name, chosen, reason } of candidates) {
    const why = `${chosen ? 'taken' : 'left'}, as ${reason}`;
    byReason.set(why, [...(byReason.get(why) ?? []), name]);
  }
  return [...byReason].map(([why, names]) => {
    const rest = names.length > NAMED_LAYERS ? `, ${names.length - NAMED_LAYERS} more` : '';
    return `${names.slice(0, NAMED_LAYERS).join(', ')}${rest} (${why})`;
  });
}

/** What can be recalibrated of a network whose BatchNormalization is gone; empty where that cannot be told. */
function foldedLayers(model: Model): readonly LayerCandidate[] {
  try {
    return layerCandidates(model).filter(({ kind }) => kind === 'folded');
  } catch (error) {
    if (error instanceof TemperError) return [];
    throw error;
  }
}

/** What became of the BatchNormalization of training. */
export function normFacts(model: Model, note: (text: string) => void): Facts {
  const { record } = model;
  const all = scopesOf(record)
    .flatMap((scope) => [...nodesOf(scope)])
    .filter(({ opType, domain }) => opType === 'BatchNormalization' && domain === '');
  if (all.length === 0) {
    const candidates = foldedLayers(model);
    const taken = candidates.filter(({ chosen }) => chosen).length;
    if (taken > 0) {
      return {
        batch_norm: fact(`folded into ${plural(taken, 'layer')}, which bn-recal takes`, GRAPH),
        folded_layers: fact(candidateTexts(candidates), GRAPH),
      };
    }
    const folded = foldedNorms(record);
    const how =
      folded === 'onnxruntime'
        ? 'none: onnxruntime optimized the file, which folds it into convolutions'
        : folded
          ? 'none: if the network had it, the exporter folded it into convolutions'
          : 'none';
    return { batch_norm: fact(how, GRAPH) };
  }
  try {
    const { layers, skipped } = findLayers(model);
    const unmeasured = unmeasuredText(model, layers);
    if (unmeasured !== undefined) note(unmeasured);
    const levels = new Set(layers.map(({ level }) => level)).size;
    const other = skipped[0] ? `, ${skipped.length} more cannot be recalibrated (${skipped[0].reason})` : '';
    const found = `${plural(layers.length, 'layer')} at ${plural(levels, 'depth')}`;
    return { batch_norm: fact(`kept: ${found}${other}`, GRAPH) };
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    note(error.message);
    return { batch_norm: fact(`kept: ${plural(all.length, 'layer')}, none of which can be recalibrated`, GRAPH) };
  }
}

/** What else shows in the graph or its metadata. @param batch that the input is fixed to */
export function otherFacts(model: Model, batch: number | undefined): Facts {
  const quantized = quantization(model.record);
  const dependent = batchDependence(model, batch);
  const steps = provenanceTexts(model);
  return factsOf({
    quantized: fact(quantized ?? 'no', GRAPH),
    batch_dependent: fact(dependent.length === 0 ? 'nothing in the graph' : dependent, GRAPH),
    provenance: steps.length === 0 ? undefined : fact(steps, METADATA),
  });
}

import { createHash } from 'node:crypto';
import { canonicalJson, TemperError } from '../../core/index.ts';
import { classifyTensors, type Model } from '../../onnx/index.ts';
import type { StateTable } from '../state-table.ts';
import { checkUnread, explainRest, explainUniform } from './explain-rest.ts';
import { type Expression, expressionData } from './expression.ts';
import { findCopy } from './find-copies.ts';
import { findExponential, findScaled, findStandardised, findSum } from './find-derived.ts';
import { findFoldedBias, findFoldedScale, findFoldedWeight } from './find-folds.ts';
import { findGather, findJoined, findSlice } from './find-parts.ts';
import { keysHolding } from './probes.ts';
import type { Proof } from './prove.ts';
import { resolveEquals } from './resolve-equals.ts';
import { type Explained, newSearch, type Search, unexplained } from './search.ts';
import { peersOf } from './state-peers.ts';
import { type TemplateTensor, templatePrint } from './template-tensors.ts';

/** One tensor of the template and how it follows from a state dict. */
export interface MapEntry {
  readonly tensor: TemplateTensor;
  readonly expression: Expression;
  readonly proof: Proof;
}

/** How every float tensor of a template follows from a state dict, proved on the one that it was exported from. */
export interface StateMap {
  readonly entries: readonly MapEntry[];
  /** Of all expressions: two maps of one hash compute the same. */
  readonly sha256: string;
  readonly notes: readonly string[];
}

/** Explains what is left by one way of finding. */
function explain(search: Search, find: (tensor: TemplateTensor) => Explained | undefined): void {
  for (const tensor of unexplained(search)) {
    const found = find(tensor);
    if (found) search.found.set(tensor, found);
  }
}

/** Tensors of one number are left for the end: the others tell what they are. */
function explainCopies(search: Search): TemplateTensor[] {
  return search.tensors.filter((tensor) => {
    const print = templatePrint(search.template, tensor);
    if (print.uniform) return true;
    const found = findCopy(search, tensor, print);
    if (found) search.found.set(tensor, found);
    return false;
  });
}

/** The ways of finding, each over what the ones before it left. */
function explainDerived(search: Search, uniform: ReadonlySet<TemplateTensor>): void {
  const among = (find: (tensor: TemplateTensor) => Explained | undefined) =>
    explain(search, (tensor) => (uniform.has(tensor) ? undefined : find(tensor)));
  among((tensor) => findFoldedWeight(search, tensor));
  explain(search, (tensor) => findFoldedBias(search, tensor));
  among((tensor) => findFoldedScale(search, tensor));
  const left = unexplained(search).filter((tensor) => !uniform.has(tensor));
  const holding = left.length > 0 ? keysHolding(search, left) : undefined;
  if (!holding) return;
  among((tensor) => findSlice(search, tensor, holding.get(tensor) ?? []));
  among((tensor) => findGather(search, tensor, holding.get(tensor) ?? []));
  among((tensor) => findJoined(search, tensor));
  among((tensor) => findScaled(search, tensor));
  among((tensor) => findSum(search, tensor));
  among((tensor) => findStandardised(search, tensor));
}

/** What was computed in another order than is known, and how far it is. */
function boundNotes(entries: readonly MapEntry[]): string[] {
  const bounded = entries.filter(({ proof }) => !proof.exact);
  if (bounded.length === 0) return [];
  const worst = Math.max(...bounded.map(({ proof }) => proof.worst));
  const [type] = new Set(bounded.map(({ proof }) => proof.type));
  return [
    `${bounded.length} of ${entries.length} tensors of the template are reproduced within rounding, not to the bit (at most ${worst.toPrecision(2)} units in the last place of ${type}); they are computed in float64 and rounded once`,
  ];
}

function typeNotes(entries: readonly MapEntry[]): string[] {
  const narrow = new Set(
    entries
      .filter(({ tensor, proof }) => tensor.type === 'float32' && proof.type !== 'float32')
      .map(({ proof }) => proof.type),
  );
  return narrow.size === 0
    ? []
    : [`the template was proved to the rounding of ${[...narrow].join(' and ')}, the type of the checkpoint`];
}

/** @throws TemperError UNSUPPORTED_QUANTIZED */
function assertFloat(template: Model): void {
  for (const { roles, name } of classifyTensors(template.record).values()) {
    if (!roles.has('quantized_weight')) continue;
    throw new TemperError(
      'UNSUPPORTED_QUANTIZED',
      `${template.path}: tensor ${JSON.stringify(name)} holds integer codes`,
      {
        hint: 'Use the float export as template, and quantize the average.',
        details: { path: template.path, tensor: name },
      },
    );
  }
}

/**
 * Explains every float tensor of a template by the tensors of the checkpoint that it was exported from, by value: copies, transpositions,
 * slices, BatchNormalization folded into weights, joined and scaled weights, gathered tables, constants.
 *
 * Each explanation reproduces its tensor bit by bit; folds and standardised filters, whose order of rounding may be unknown, to 4 units in
 * the last place. Names order the search and decide only between keys that are equal in this checkpoint and differ in another one.
 * Memory: a few tensors at a time. Time: each tensor is read some times; candidates are found by fingerprints.
 * @param others the other checkpoints that the map will be used on
 * @throws TemperError MISMATCH_TENSOR naming what cannot be explained; UNSUPPORTED_QUANTIZED
 */
export function makeMap(template: Model, reference: StateTable, others: readonly StateTable[]): StateMap {
  assertFloat(template);
  const search = newSearch(template, reference);
  const peers = peersOf(search.state, others);
  const uniform = explainCopies(search);
  explainDerived(search, new Set(uniform));
  const notes = resolveEquals(search, peers);
  explain(search, (tensor) => findExponential(search, tensor));
  explainUniform(
    search,
    uniform.filter((tensor) => !search.found.has(tensor)),
    peers,
  );
  notes.push(...explainRest(search, peers), ...checkUnread(search, peers));
  const entries = search.tensors.map((tensor): MapEntry => ({ tensor, ...(search.found.get(tensor) as Explained) }));
  const data = entries.map(({ tensor, expression }) => [tensor.name, expressionData(expression)]);
  return {
    entries,
    sha256: createHash('sha256').update(canonicalJson(data)).digest('hex'),
    notes: [...notes, ...boundNotes(entries), ...typeNotes(entries)],
  };
}

import type { ByteSource } from '../../core/index.ts';
import type { Field, Message, Span } from './wire.ts';

/** What one walk over a file records: where every tensor's payload lies, and the graph that uses it. */
export interface ModelRecord {
  readonly message: Message;
  readonly irVersion: number;
  /** Operator set versions by domain; '' is ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly producer: string;
  readonly metadata: readonly MetadataRecord[];
  readonly graph: GraphRecord;
  readonly functions: readonly FunctionRecord[];
  /** Graphs of TrainingInfoProto. */
  readonly trainingGraphs: readonly GraphRecord[];
}

export interface MetadataEntry {
  readonly key: string;
  readonly value: string;
}

/** An entry of a file, and where it lies. */
export interface MetadataRecord extends MetadataEntry {
  readonly message: Message;
}

/** What a main graph, a subgraph and a function body have in common. */
export interface NodeScope {
  readonly message: Message;
  readonly nodes: readonly NodeRecord[];
}

export interface GraphRecord extends NodeScope {
  readonly name: string;
  readonly initializers: readonly TensorRecord[];
  readonly sparseInitializers: readonly SparseRecord[];
  readonly inputs: readonly ValueInfoRecord[];
  readonly outputs: readonly ValueInfoRecord[];
  /** value_info: the exporter's shapes of values between nodes, which an edit of sizes makes wrong. */
  readonly valueInfos: readonly Message[];
}

export interface FunctionRecord extends NodeScope {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Operator set versions of the body by domain; empty before they were written, when the model's hold. */
  readonly opsets: ReadonlyMap<string, number>;
  /** Attributes with default values (attribute_proto, IR 9). */
  readonly attributes: readonly AttributeRecord[];
}

export interface NodeRecord {
  readonly message: Message;
  readonly name: string;
  readonly opType: string;
  /** '' for ai.onnx, however the file spells it. */
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  /** The field of each input, in the same order: what an edit replaces. */
  readonly inputFields: readonly Field[];
  readonly outputs: readonly string[];
  readonly outputFields: readonly Field[];
  readonly attributes: readonly AttributeRecord[];
}

export interface AttributeRecord {
  readonly message: Message;
  /** The message's bytes as latin1, of a short one that holds no tensor and no graph: what is equal in them is equal. */
  readonly content: string | undefined;
  readonly name: string;
  /** AttributeProto.AttributeType; 0 where an old file (IR 1) leaves it out. */
  readonly type: number;
  readonly f: number | undefined;
  readonly i: bigint | undefined;
  readonly s: Span | undefined;
  readonly strings: readonly Span[];
  readonly refAttrName: string;
  /** `f`, `floats`, `i` or `ints` seen as tensors: the value of a Constant node may lie there. */
  readonly floats: TensorRecord | undefined;
  readonly ints: TensorRecord | undefined;
  readonly scalar: TensorRecord | undefined;
  readonly tensors: readonly TensorRecord[];
  readonly sparseTensors: readonly SparseRecord[];
  readonly graphs: readonly GraphRecord[];
  /** TypeProto contents, compared as bytes. */
  readonly types: readonly Span[];
}

export interface SparseRecord {
  readonly message: Message;
  readonly values: TensorRecord;
  readonly indices: TensorRecord;
  readonly dims: readonly number[];
}

/** A run of occurrences of one typed field: one packed chunk, or adjacent single values. */
export interface Run extends Span {
  readonly tagStart: number;
  readonly packed: boolean;
}

export type Payload =
  | ({ readonly kind: 'raw' } & Span)
  | { readonly kind: 'typed'; readonly wire: 'fixed32' | 'fixed64' | 'varint' | 'bytes'; readonly runs: readonly Run[] }
  | ExternalPayload
  | { readonly kind: 'none' };

export interface ExternalPayload {
  readonly kind: 'external';
  readonly location: string;
  readonly offset: number;
  /** Absent: as much as dims and type need. */
  readonly length: number | undefined;
}

export interface TensorRecord {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly payload: Payload;
  /** A TensorProto, or values that lie in an AttributeProto itself (value_float, value_ints, …). */
  readonly carrier: 'tensor' | 'attribute';
  readonly message: Message;
  /** Every field of the message, adjacent single values as one run: what an edit removes. */
  readonly fields: readonly FieldSpan[];
}

export interface FieldSpan extends Span {
  readonly number: number;
  readonly tagStart: number;
}

/** A dimension is a number, a name, or unknown (''). */
export type Dimension = number | string;

export interface ValueInfoRecord {
  readonly message: Message;
  readonly name: string;
  /** Absent for sequences, maps, optionals and untyped values. */
  readonly tensorType: TensorTypeRecord | undefined;
  /** The whole TypeProto, for the comparison of what is no tensor. */
  readonly type: Span | undefined;
}

export interface TensorTypeRecord {
  readonly elemType: number;
  /** Absent where the rank is unknown. */
  readonly dims: readonly Dimension[] | undefined;
  /** Each dimension's message: what an edit replaces. */
  readonly dimMessages: readonly Message[];
}

/** A walked file, with what is needed to read its payloads. */
export interface Model {
  readonly path: string;
  readonly source: ByteSource;
  readonly record: ModelRecord;
  /**
   * Opens (once) the file that external data lies in.
   * @throws TemperError FORMAT_EXTERNAL_DATA if the location leaves the model's folder; INPUT_NOT_FOUND
   */
  external(location: string): ByteSource;
  /** Every external file that tensors name, in order of first use. */
  readonly externalLocations: readonly string[];
  /** @throws TemperError INPUT_CHANGED if any file of the model was written to since it was opened. */
  assertUnchanged(): void;
  close(): void;
}

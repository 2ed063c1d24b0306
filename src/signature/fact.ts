/** Something that is known, and what says so. */
export interface Fact<T> {
  readonly value: T;
  /** For messages: "the graph's last node, Softmax", "the metadata entry names". */
  readonly source: string;
}

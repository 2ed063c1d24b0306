/** Field numbers of onnx.proto (ONNX 1.20), by message and by the field's name: what the walk reads and edits write. */
export const FIELD = {
  model: {
    irVersion: 1,
    producerName: 2,
    graph: 7,
    opsetImport: 8,
    metadataProps: 14,
    trainingInfo: 20,
    functions: 25,
  },
  operatorSetId: { domain: 1, version: 2 },
  /** StringStringEntryProto: metadata_props, external_data. */
  entry: { key: 1, value: 2 },
  trainingInfo: { initialization: 1, algorithm: 2 },
  graph: {
    node: 1,
    name: 2,
    initializer: 5,
    input: 11,
    output: 12,
    valueInfo: 13,
    sparseInitializer: 15,
  },
  function: { name: 1, input: 4, output: 5, node: 7, opsetImport: 9, domain: 10, attributeProto: 11, overload: 13 },
  node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7, overload: 8 },
  attribute: {
    name: 1,
    f: 2,
    i: 3,
    s: 4,
    t: 5,
    g: 6,
    floats: 7,
    ints: 8,
    strings: 9,
    tensors: 10,
    graphs: 11,
    tp: 14,
    typeProtos: 15,
    type: 20,
    refAttrName: 21,
    sparseTensor: 22,
    sparseTensors: 23,
  },
  valueInfo: { name: 1, type: 2 },
  type: { tensorType: 1 },
  tensorType: { elemType: 1, shape: 2 },
  shape: { dim: 1 },
  dimension: { dimValue: 1, dimParam: 2 },
  tensor: {
    dims: 1,
    dataType: 2,
    segment: 3,
    floatData: 4,
    int32Data: 5,
    stringData: 6,
    int64Data: 7,
    name: 8,
    rawData: 9,
    doubleData: 10,
    uint64Data: 11,
    externalData: 13,
    dataLocation: 14,
  },
  sparseTensor: { values: 1, indices: 2, dims: 3 },
} as const;

/** TensorProto.DataLocation. */
export const EXTERNAL_LOCATION = 1;

/** AttributeProto.AttributeType, of what is read or written one by one. */
export const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;

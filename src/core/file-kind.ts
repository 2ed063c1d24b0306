import { TemperError } from './errors.ts';

/** Bytes from the start of a file that tell what it is: a tar says so at byte 257. */
export const HEAD_BYTES = 512;

/** What a file can be by its first bytes. */
export type FileKind = keyof typeof KINDS;

interface KindText {
  /** Behind the name of a file: "is a tar archive". */
  readonly is: string;
  /** What to do where a model, or another file, was expected. */
  readonly hint: string;
}

const EXPORT =
  'Export the network to ONNX (torch.onnx.export) and name that file; avg-ckpt averages checkpoints as they are.';
const UNPACK = 'Unpack it, and name the file in it.';
const DOWNLOAD = 'Download the file itself: a server answered with a page, or asks for a login.';
const DATA = 'Name it as `data`, or name the right file here.';

/** What each kind is called, and what to do about it where something else was expected. */
const KINDS = {
  empty: { is: 'is empty', hint: 'Copy or download the file again.' },
  'git-lfs': {
    is: 'is a Git LFS pointer, not the file itself',
    hint: 'Fetch it with `git lfs pull` in the folder of the repository.',
  },
  link: {
    is: 'holds the text of a symbolic link, not the file that it points to',
    hint: 'Copy the folder with its links (git: core.symlinks true), or name the file that the text points to.',
  },
  pytorch: { is: 'is a PyTorch checkpoint (a zip)', hint: EXPORT },
  'pytorch-legacy': { is: 'is a PyTorch checkpoint (the old pickle format)', hint: EXPORT },
  pickle: { is: 'is a Python pickle', hint: 'Export the network to ONNX, or save arrays with numpy.save.' },
  safetensors: { is: 'is a safetensors file: weights without a graph', hint: EXPORT },
  hdf5: { is: 'is an HDF5 file (Keras weights, perhaps)', hint: 'Export the network to ONNX (tf2onnx, keras2onnx).' },
  keras: { is: 'is a Keras model (a zip)', hint: 'Export the network to ONNX (model.export with format="onnx").' },
  tflite: { is: 'is a TensorFlow Lite model', hint: 'Convert it to ONNX (tf2onnx) and name that file.' },
  ort: { is: 'is a model in the ORT format', hint: 'Name the .onnx file that it was made from.' },
  html: { is: 'is a web page (HTML)', hint: DOWNLOAD },
  xml: { is: 'is an XML text', hint: DOWNLOAD },
  json: { is: 'is a JSON text', hint: 'Name the file itself: a server may have answered with an error.' },
  gzip: { is: 'is compressed with gzip', hint: UNPACK },
  zstd: { is: 'is compressed with Zstandard', hint: UNPACK },
  bzip2: { is: 'is compressed with bzip2', hint: UNPACK },
  xz: { is: 'is compressed with xz', hint: UNPACK },
  npz: { is: 'is an .npz archive of arrays', hint: 'Save the one array with numpy.save.' },
  zip: { is: 'is a zip archive', hint: UNPACK },
  tar: { is: 'is a tar archive', hint: DATA },
  parquet: { is: 'is a Parquet file', hint: DATA },
  npy: { is: 'is a NumPy array (.npy)', hint: DATA },
  idx: { is: 'is an IDX array', hint: DATA },
  onnx: { is: 'is an ONNX model', hint: 'Name the model among the models, the data here.' },
  png: { is: 'is a PNG image', hint: DATA },
  jpeg: { is: 'is a JPEG image', hint: DATA },
  gif: { is: 'is a GIF image', hint: DATA },
  webp: { is: 'is a WebP image', hint: DATA },
  tiff: { is: 'is a TIFF image', hint: DATA },
  pdf: { is: 'is a PDF document', hint: 'Name the right file here.' },
} as const satisfies Readonly<Record<string, KindText>>;

/** A kind in words. */
export const kindText = (kind: FileKind): KindText => KINDS[kind];

const latin1 = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, end));

/** Beginnings that say everything; a zip, a text and what begins with a length are looked at further. */
const SIGNATURES: readonly (readonly [start: string, kind: FileKind])[] = [
  ['version https://git-lfs.github.com/', 'git-lfs'],
  ['\x89HDF\r\n\x1a\n', 'hdf5'],
  ['\x80\x02\x8a\x0al\xfc\x9cF\xf9', 'pytorch-legacy'],
  ['\x1f\x8b', 'gzip'],
  ['\x28\xb5\x2f\xfd', 'zstd'],
  ['\xfd7zXZ\x00', 'xz'],
  ['PAR1', 'parquet'],
  ['\x93NUMPY', 'npy'],
  ['\x89PNG', 'png'],
  ['\xff\xd8\xff', 'jpeg'],
  ['GIF8', 'gif'],
  ['II*\x00', 'tiff'],
  ['MM\x00*', 'tiff'],
  ['%PDF-', 'pdf'],
  ['\x00\x00\x08', 'idx'],
];

/** What the first member of a zip is called says who wrote it; the name begins at byte 30. */
function zipKind(text: string): FileKind {
  const name = text.slice(30);
  if (/^[^/]{0,200}\/(data\.pkl|constants\.pkl|version|byteorder|\.format_version|code\/)/.test(name)) return 'pytorch';
  if (/^[^/]{1,100}\.npy/.test(name)) return 'npz';
  return /^(metadata|config)\.json/.test(name) ? 'keras' : 'zip';
}

function textKind(text: string): FileKind | undefined {
  const start = text.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(!doctype html|html|head|body)\b/i.test(start)) return 'html';
  // A whole file of one path upwards is what git, zip and copies leave of a link where they do not make links.
  if (text.length < HEAD_BYTES && /^(\.\.\/)+[^\0\n]+$/.test(text)) return 'link';
  if (/^<\?xml/i.test(start)) return /<!doctype html|<html/i.test(start) ? 'html' : 'xml';
  return /^[{[]\s*["{[\]}]/.test(start) ? 'json' : undefined;
}

/** ONNX files begin with their IR version, then the producer's name, the graph, or an opset: what exporters write. */
const looksOnnx = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x08 && (bytes[1] ?? 99) <= 32 && [0x12, 0x1a, 0x22, 0x3a, 0x42].includes(bytes[2] ?? 0);

/** What a file is by its first {@link HEAD_BYTES} bytes (or all it has); undefined if they say nothing. */
export function fileKind(head: Uint8Array): FileKind | undefined {
  if (head.length === 0) return 'empty';
  const text = latin1(head, 0, HEAD_BYTES);
  const signed = SIGNATURES.find(([start]) => text.startsWith(start));
  if (signed) return signed[1];
  if (text.startsWith('PK\x03\x04')) return zipKind(text);
  if (text.slice(4, 8) === 'TFL3') return 'tflite';
  if (text.slice(4, 8) === 'ORTM') return 'ort';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'webp';
  if (/^BZh[1-9]1AY&SY/.test(text)) return 'bzip2';
  // Eight bytes of a length below 2^32, then a JSON object.
  if (text.slice(4, 8) === '\0\0\0\0' && /^\{\s*["}]/.test(text.slice(8))) return 'safetensors';
  if (text.slice(257, 262) === 'ustar') return 'tar';
  // Protocol 2 to 5: a frame, or an operation that begins an object.
  const protocol = head[0] === 0x80 ? (head[1] ?? 0) : 0;
  if (protocol >= 2 && protocol <= 5 && '\x95c}](X\x8a'.includes(text[2] ?? ' ')) return 'pickle';
  return textKind(text) ?? (looksOnnx(head) ? 'onnx' : undefined);
}

/**
 * The error of a file that is something else than what it was opened as; undefined where the first bytes say nothing, or
 * one of `fits`.
 * @param expected what was looked for, with its article: "an ONNX model"
 */
export function otherKind(
  path: string,
  head: Uint8Array,
  expected: string,
  fits: readonly FileKind[] = [],
): TemperError | undefined {
  const kind = fileKind(head);
  if (kind === undefined || fits.includes(kind)) return undefined;
  const { is, hint } = KINDS[kind];
  return new TemperError('FORMAT_MALFORMED', `${path}: ${is}; expected ${expected}`, { hint, details: { path, kind } });
}

import { type ErrorCode, TemperError } from '../core/index.ts';

const DYNAMIC_AXES = 'The graph is fixed to the size and batch of its export: use those, or export with dynamic axes.';
const EXPORT_AGAIN = 'Export the model again for inference (model.eval()), with an opset that onnxruntime supports.';
const MIB = 2 ** 20;
const CUDA_NEEDS = 'CUDA 12 and cuDNN 9 must be on the library path (LD_LIBRARY_PATH) and the driver must be recent.';

/**
 * What CUDA's failures are, of which onnxruntime makes lines of C++: conditions, source positions, the name of the host.
 * Numbers are cudaError_t (CUDA Runtime API). The message is the row's; onnxruntime's stands in the details.
 */
const CUDA_MESSAGES: readonly (readonly [RegExp, ErrorCode, string, string])[] = [
  [
    /out of memory|CUDA failure 2\b|(CUBLAS|CUDNN)_STATUS\w*_ALLOC_FAILED|Failed to allocate memory|bad_alloc/i,
    'EXECUTION_MEMORY',
    'out of memory',
    'Lower `batch` or the image size.',
  ],
  [
    /lib[\w-]+\.so[\w.]*: cannot open shared object file|ExecutionProvider_Cuda: Failed to load shared library/i,
    'EXECUTION_PROVIDER',
    'the CUDA provider cannot be loaded',
    `${CUDA_NEEDS} Or use \`device\` cpu.`,
  ],
  [
    /cudnn[\w.]* (library )?(is )?(not found|cannot be loaded|could not be loaded)|unable to (dlopen|load).*cudnn|CUDNN_STATUS_NOT_INITIALIZED|CUDNN_STATUS_SUBLIBRARY/i,
    'EXECUTION_PROVIDER',
    'cuDNN cannot be used',
    'Put cuDNN 9 for this CUDA, all of its libraries, on LD_LIBRARY_PATH, or use `device` cpu.',
  ],
  [
    /CUDA failure (35|803|804)\b|CUDA driver version|cudaErrorInsufficientDriver/i,
    'EXECUTION_PROVIDER',
    'no usable CUDA device: no NVIDIA driver, or one that is older than the CUDA libraries',
    'Look at nvidia-smi; install a recent driver, or use `device` cpu.',
  ],
  [
    /no CUDA-capable device|cudaErrorNoDevice|invalid device ordinal|Invalid device id|CUDA failure (3|46|100|101)\b/i,
    'EXECUTION_PROVIDER',
    'no usable CUDA device',
    'Check nvidia-smi, CUDA_VISIBLE_DEVICES and the number of the device (`device` cuda:0), or use `device` cpu.',
  ],
  [
    /CUDA failure (98|209|218|222)\b|no kernel image is available|unsupported toolchain/i,
    'EXECUTION_PROVIDER',
    'the CUDA libraries do not know this GPU',
    'Use a GPU that they were built for, or libraries for this one; or `device` cpu.',
  ],
  [
    /CUDA failure|CUDNN_STATUS|CUBLAS_STATUS|cuDNN failure|CUBLAS failure|CUDNN failure/i,
    'EXECUTION_RUN',
    'CUDA failed',
    CUDA_NEEDS,
  ],
];

/** What onnxruntime 1.30 says, and what it means. The first row whose pattern matches wins: causes before symptoms. */
const MESSAGES: readonly (readonly [RegExp, ErrorCode, string, string])[] = [
  [
    // npm leaves an optional package out when its install script fails.
    /Cannot find (package|module) 'onnxruntime-node'/,
    'EXECUTION_PROVIDER',
    'onnxruntime-node is not installed: its install script downloads CUDA libraries, and fails where it cannot',
    'Install it without them: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@1.30.0',
  ],
  [
    /WebGPU adapter|webgpu.*(device|instance)|libvulkan/is,
    'EXECUTION_PROVIDER',
    'no WebGPU adapter',
    'Install a Vulkan driver (for software rendering, point VK_DRIVER_FILES at SwiftShader), or use `device` cpu.',
  ],
  [
    /no available backend found|backend not found/i,
    'EXECUTION_PROVIDER',
    'this build of onnxruntime has no such provider',
    'Use `device` cpu, or a platform that has it (CUDA: Linux x64).',
  ],
  [
    /Training mode does not support BN opset 14/,
    'UNSUPPORTED_GRAPH',
    'CUDA cannot run BatchNormalization in training mode',
    'Export the model for inference: model.eval() before torch.onnx.export.',
  ],
  [
    /External data|external_data|escapes (the )?(model|working) directory/i,
    'FORMAT_EXTERNAL_DATA',
    'its external data cannot be read',
    'Keep the data files beside the model, under the names that it gives.',
  ],
  [/File doesn't exist|No such file/i, 'INPUT_NOT_FOUND', 'no such file', 'Check the path.'],
  [
    /protobuf parsing failed|ModelProto does not have a graph|data pointer is null|INVALID_PROTOBUF/i,
    'FORMAT_MALFORMED',
    'is not an ONNX model',
    'Name an .onnx file; copy or export it again if it is damaged.',
  ],
  [
    /Unsupported model IR version|under development|not supported.*opset|opset.*not supported|only \*guarantees\* support/i,
    'UNSUPPORTED_GRAPH',
    'its IR or opset is newer than this onnxruntime',
    'Export with IR 13, opset 23 or older.',
  ],
  [
    /Could not find an implementation|NOT_IMPLEMENTED|is not a registered function/i,
    'UNSUPPORTED_GRAPH',
    'an operator has no implementation',
    `${EXPORT_AGAIN} Opsets below 7 do not run.`,
  ],
  [
    /number of op outputs should be|invalid model\b|Type Error|Node.*has (input|output) size/i,
    'UNSUPPORTED_GRAPH',
    'the graph is not valid',
    EXPORT_AGAIN,
  ],
  [/Unsupported data type/, 'UNSUPPORTED_DATA_TYPE', 'an input or output type', 'Export with float32 or float16.'],
  [
    /missing in 'feeds'|Unexpected input data type|Got invalid dimensions|Invalid rank for input/,
    'MISMATCH_INPUT',
    'the batch does not fit the model',
    'Check `input`, `size`, `color` and `batch`.',
  ],
  [
    /Dimension mismatch|cannot be reshaped|broadcast|Invalid input shape|reshape_helper|axis by a dimension/i,
    'EXECUTION_RUN',
    'the graph cannot run at this size',
    DYNAMIC_AXES,
  ],
];

/** onnxruntime's text without the source positions that it starts with. */
function plain(message: string): string {
  const at = message.lastIndexOf(' was false. ');
  return (at < 0 ? message : message.slice(at + 12)).trim();
}

/**
 * Turns an error of onnxruntime into a TemperError that says what `model` ran into and what to do. A TemperError passes.
 * @param otherwise the code of a message that is in no row
 */
export function ortError(model: string, error: unknown, otherwise: ErrorCode = 'EXECUTION_RUN'): TemperError {
  if (error instanceof TemperError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const cuda = CUDA_MESSAGES.find(([pattern]) => pattern.test(message));
  if (cuda) {
    const [, code, what, hint] = cuda;
    const wanted = /requested buffer of size (\d+)/.exec(message)?.[1];
    const text = wanted === undefined ? what : `${what}: onnxruntime asked for ${Math.ceil(Number(wanted) / MIB)} MiB`;
    const reason = /ExecutionProvider_Cuda: Failed to load/i.test(message) ? { reason: 'not loaded' } : {};
    return new TemperError(code, `${model}: ${text}`, {
      hint,
      details: { model, onnxruntime: message, ...reason },
      cause: error,
    });
  }
  const row = MESSAGES.find(([pattern]) => pattern.test(message));
  if (row === undefined) {
    const hint = 'Try `device` cpu; if that fails too, check the model with onnx.checker.';
    return new TemperError(otherwise, `${model}: onnxruntime: ${plain(message)}`, {
      hint,
      details: { model },
      cause: error,
    });
  }
  const [, code, what, hint] = row;
  return new TemperError(code, `${model}: ${what} (onnxruntime: ${plain(message)})`, {
    hint,
    details: { model },
    cause: error,
  });
}

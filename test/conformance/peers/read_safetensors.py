"""Reads a safetensors file without onnx-temper and prints what it found, as JSON.

By numpy alone, as the format's description says; and where the reference library is installed, by that too, which also
writes the same tensors again: its file must have the same bytes.
"""
import hashlib
import json
import sys

import numpy

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}


def record(dtype, shape, data):
    return {"dtype": dtype, "shape": list(shape), "sha256": hashlib.sha256(bytes(data)).hexdigest()}


def by_numpy(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        dtype = numpy.dtype(DTYPES[entry["dtype"]])
        offset = start + entry["data_offsets"][0]
        assert offset % dtype.itemsize == 0, f"{name} is not aligned"
        if 0 in entry["shape"]:
            array = numpy.empty(entry["shape"], dtype)
        else:
            array = numpy.memmap(path, dtype, "r", offset, tuple(entry["shape"]))
        tensors[name] = record(entry["dtype"], array.shape, array.tobytes())
    return tensors


def by_reference(path):
    try:
        import safetensors
    except ImportError:
        return None
    with open(path, "rb") as file:
        content = file.read()
    found = safetensors.deserialize(content)
    names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"}
    names.update({f"{kind}{bits}": f"{word}{bits}" for kind, word in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)})
    # Version 0.8 takes addresses, for which the arrays must stay alive; older ones take the bytes.
    arrays = {name: numpy.frombuffer(bytes(entry["data"]), "u1") for name, entry in found}

    def spec(name, entry):
        dtype, data = names[entry["dtype"]], arrays[name]
        if hasattr(safetensors, "TensorSpec"):
            return safetensors.TensorSpec(dtype=dtype, shape=entry["shape"], data_ptr=data.ctypes.data, data_len=data.nbytes)
        return {"dtype": dtype, "shape": entry["shape"], "data": data.tobytes()}

    again = safetensors.serialize({name: spec(name, entry) for name, entry in found})
    return {
        "version": safetensors.__version__,
        "tensors": {name: record(entry["dtype"], entry["shape"], entry["data"]) for name, entry in found},
        "same_bytes": bytes(again) == content,
    }


print(json.dumps({"numpy": by_numpy(sys.argv[1]), "reference": by_reference(sys.argv[1])}))

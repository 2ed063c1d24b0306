"""read_exports.py npy|webdataset|parquet FOLDER: what foreign readers make of an export, as JSON on stdout.

npy: numpy, memory-mapped. webdataset: tarfile, with WebDataset's rule for keys. parquet: pyarrow, null where it is missing.
"""
import io
import json
import os
import re
import sys
import tarfile

import numpy as np


def npy(folder):
    found = {}
    for at, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if not name.endswith(".npy"):
                continue
            path = os.path.join(at, name)
            array = np.load(path, mmap_mode="r")
            assert array.offset % 64 == 0, f"{path}: data at {array.offset}"
            found[os.path.relpath(path, folder).replace(os.sep, "/")] = {
                "dtype": array.dtype.str, "shape": list(array.shape), "values": array.astype(np.float64).tolist(),
            }  # fmt: skip
    return found


def webdataset(folder):
    tars = {}
    for at, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if not name.endswith(".tar"):
                continue
            samples, members = [], []
            with tarfile.open(os.path.join(at, name)) as tar:
                for member in tar:
                    assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
                    # webdataset.tariterators.base_plus_ext
                    key, extension = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", member.name).groups()
                    members.append(extension)
                    if not samples or samples[-1]["__key__"] != key:
                        samples.append({"__key__": key})
                    data = tar.extractfile(member).read()
                    if extension.endswith("npy"):
                        array = np.load(io.BytesIO(data))
                        value = {"dtype": array.dtype.str, "values": array.astype(np.float64).tolist()}
                    else:
                        value = json.loads(data)
                    samples[-1][extension] = value
            tars[os.path.relpath(os.path.join(at, name), folder).replace(os.sep, "/")] = samples
    return tars


def parquet(folder):
    try:
        import pyarrow.parquet
    except ImportError:
        return None
    out = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".parquet"):
            table = pyarrow.parquet.read_table(os.path.join(folder, name))
            metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
            out[name] = {"rows": table.to_pylist(), "metadata": metadata, "types": [str(f.type) for f in table.schema]}
    return out


print(json.dumps({"npy": npy, "webdataset": webdataset, "parquet": parquet}[sys.argv[1]](sys.argv[2])))

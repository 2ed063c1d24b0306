"""target_reads.py STORE: microseconds of reads by python/onnx_temper_targets.py from a warm cache, as JSON.

row: store[key, view] for random keys, median and mean. floor: the same rows by bare numpy.memmap, place known: two columns
copied. batch: 256 random samples. rss_mb: the process at its largest.
"""
import json
import os
import resource
import sys
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "python"))
from onnx_temper_targets import Store  # noqa: E402

READS = 20_000


def each(calls):
    took = np.empty(len(calls))
    for i, call in enumerate(calls):
        start = time.perf_counter()
        call()
        took[i] = time.perf_counter() - start
    return {"median_us": float(np.median(took)) * 1e6, "mean_us": float(took.mean()) * 1e6}


store = Store(sys.argv[1])
random = np.random.default_rng(3)
ordinals = random.integers(0, store.n_samples, READS)
views = random.integers(0, store.views, READS)
start = time.perf_counter()
store.ordinal(store.keys[0])
index_ms = (time.perf_counter() - start) * 1e3
addresses = [(store.keys[o], int(v)) for o, v in zip(ordinals, views)]
# Once to bring the pages in, once to measure.
for address in addresses:
    store[address]
row = each([lambda a=a: store[a] for a in addresses])

width = store.top_k or store.n_classes()
dtype = np.float16 if store.store_dtype == "float16" else np.float32
path = os.path.join(sys.argv[1], "flat.bin")
rows = ordinals * store.views + views
flat = np.lib.format.open_memmap(path, "w+", dtype, (store.n_rows, width))
flat[:] = 1
flat.flush()
flat = np.load(path, mmap_mode="r")
floor = each([lambda r=int(r): (flat[r].astype(np.float32), flat[r].astype(np.float32)) for r in rows])
os.remove(path)

batch = each([lambda o=o: store.batch(o, 0) for o in np.array_split(ordinals, READS // 256)])
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": store.n_rows, "index_ms": index_ms, "row": row, "floor": floor, "batch_256": batch, "rss_mb": rss}))

"""replay_targets.py STORE IMAGES: replays every stored view in Pillow and compares the statistics of the network's input.

IMAGES is a folder in which keys are paths, or an IDX file whose keys are numbers. As JSON: views replayed, the largest relative
difference, and what happens to images that are not the teacher's (one JPEG generation later, a pixel brighter, another size).
"""
import gzip
import io
import json
import os
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "python"))
import onnx_temper_targets as targets  # noqa: E402

path, source = sys.argv[1:]
store = targets.Store(path)
if os.path.isdir(source):
    open_image = lambda key: Image.open(os.path.join(source, key))  # noqa: E731
else:
    with gzip.open(source) as file:
        data = file.read()
    count, height, width = (int.from_bytes(data[at : at + 4], "big") for at in (4, 8, 12))
    pixels = np.frombuffer(data, np.uint8, offset=16).reshape(count, height, width)
    open_image = lambda key: Image.fromarray(pixels[int(key)])  # noqa: E731

worst, n, kinds = 0.0, 0, set()
for ordinal in store.good_ordinals().tolist():
    image = open_image(store.keys[ordinal])
    for view in range(store.views):
        record = store.record(ordinal, view)
        kinds.add((record.crop is not None, record.flip, tuple(op for op, _ in record.jitter)))
        for teacher in range(len(store.teachers)):
            worst = max(worst, store.check_input_stats(image, ordinal, view, teacher))
        n += 1

# Drift is found.
ordinal = int(store.good_ordinals()[0])
image = open_image(store.keys[ordinal]).convert("L" if store.transform()["color"] == "grey" else "RGB")
again = io.BytesIO()
image.save(again, "jpeg", quality=70)
changed = {
    "another JPEG": Image.open(again),
    "one level brighter": image.point(lambda x: min(255, x + 1)),
    "another size": image.resize((image.size[0] + 1, image.size[1])),
}
found = {}
for name, other in changed.items():
    try:
        store.check_input_stats(other, ordinal)
        found[name] = None
    except targets.DriftError as error:
        found[name] = str(error)

# A student of another size sees the same crop.
sizes = []
if store.record(ordinal).crop is not None:
    sizes = list(store.replay(open_image(store.keys[ordinal]), ordinal, size=(17, 23)).size)
print(json.dumps({"views": n, "worst": worst, "kinds": len(kinds), "drift": found, "size": sizes}))

"""read_targets.py WHAT STORE [ARGUMENTS]: what python/onnx_temper_targets.py makes of a store, as JSON on stdout.

dump: every row by key, and the same rows as batches. verify: what verify() finds. open: the error of reading everything.
kl: KL of every teacher at every temperature and tail for the student logits in a .npy file. rows: errors of wrong addresses.
"""
import json
import os
import pickle
import sys
import warnings

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "python"))
import onnx_temper_targets as targets  # noqa: E402


def plain(t):
    fields = {name: getattr(t, name) for name in ("logits", "indices", "values", "max", "lse")}
    return {name: np.asarray(value, np.float64).tolist() for name, value in fields.items() if value is not None}


def dump(path):
    store = targets.Store(path)
    good = store.good_ordinals()
    rows, batches, records = [], [], []
    for ordinal in good.tolist():
        for view in range(store.views):
            key = store.keys[ordinal]
            assert store.ordinal(key) == ordinal
            rows.append([plain(store.row(ordinal, view, t)) for t in range(len(store.teachers))])
            assert plain(store[key, view]) == rows[-1][0]
            records.append(store.record(ordinal, view)._asdict())
    for t in range(len(store.teachers)):
        # Backwards, with a view each: the order is that of the request.
        ordinals = np.repeat(good, store.views)[::-1]
        views = np.tile(np.arange(store.views), len(good))[::-1]
        batches.append(plain(pickle.loads(pickle.dumps(store)).batch(ordinals, views, t)))
    return {
        "good": good.tolist(), "keys": store.keys, "labels": store.labels.tolist(), "rows": rows, "batches": batches,
        "records": records, "text": repr(store),
        "stats": [store.gather("input_mean", good, 0, t).astype(float).tolist() for t in range(len(store.teachers))],
    }  # fmt: skip


def read_all(path):
    try:
        store = targets.Store(path)
        for ordinal in store.good_ordinals():
            for t in range(len(store.teachers)):
                store.row(int(ordinal), 0, t)
        return None
    except targets.StoreError as error:
        return str(error)


def kl(path, student_path):
    store = targets.Store(path)
    student = np.load(student_path)
    ordinals, views = np.repeat(store.good_ordinals(), store.views), np.tile(np.arange(store.views), len(store.good_ordinals()))
    out = []
    for t in range(len(store.teachers)):
        batch = store.batch(ordinals, views, t)
        for temperature in store.temperatures:
            for tail in targets.TAILS:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    found = targets.kl(batch, student, temperature, tail)
                out.append({
                    "teacher": t, "temperature": temperature, "tail": tail, "kl": found.value,
                    "cross_entropy": found.cross_entropy, "entropy": found.entropy,
                    "warnings": [w.category.__name__ for w in caught],
                    "sums": sorted({round(float(s), 9) for s in targets.densify(batch, "uniform", temperature).sum(-1)}),
                })  # fmt: skip
    ensembles = []
    for how in ("mean_probability", "mean_logit"):
        for temperature in store.temperatures:
            try:
                p = store.ensemble(ordinals, views, how, [3, 1], temperature)
                ensembles.append({"how": how, "temperature": temperature, "kl": targets.kl(p, student, temperature).value})
            except targets.StoreError as error:
                ensembles.append({"how": how, "error": str(error)})
    return {"single": out, "ensembles": ensembles}


def failures(path):
    store = targets.Store(path)
    bad = sorted(set(range(store.n_samples)) - set(store.good_ordinals().tolist()))
    attempts = {
        "unknown key": lambda: store["no such key", 0],
        "view": lambda: store.row(0, store.views),
        "negative view": lambda: store.row(0, -1),
        "ordinal": lambda: store.batch([store.n_samples]),
        "negative ordinal": lambda: store.batch([-1]),
        "teacher": lambda: store.batch([0], 0, len(store.teachers)),
        "negative teacher": lambda: store.batch([0], 0, -1),
        "floats": lambda: store.batch([0.5]),
        "nothing": lambda: store.batch([]),
        "bad image": lambda: store.row(bad[0]),
        "bad image in a batch": lambda: store.batch([0, bad[0]]),
        "column": lambda: store.gather("nothing", [0]),
        "tail": lambda: targets.densify(store.row(0), "mean"),
        "temperature": lambda: targets.densify(store.row(0), "uniform", 3.0),
        "transform": lambda: store.transform(),
    }
    found = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            found[name] = None
        except Exception as error:  # noqa: BLE001
            found[name] = type(error).__name__
    # Two keys of one hash are told apart by their names.
    first, second = store.keys[0], store.keys[1]
    store.ordinal(first)
    twin = targets._key_hash(first)
    real = targets._key_hash
    targets._key_hash = lambda key: twin if key in (first, second, "third") else real(key)
    store._hashes = store._hashes.copy()
    store._hashes[np.flatnonzero(store._order == 1)] = twin
    order = np.argsort(store._hashes, kind="stable")
    store._hashes, store._order = store._hashes[order], store._order[order]
    found["twins"] = [store.ordinal(first), store.ordinal(second)]
    try:
        store.ordinal("third")
    except KeyError:
        found["third twin"] = "KeyError"
    return found


what, path, *rest = sys.argv[1:]
DO = {"dump": dump, "verify": lambda p: targets.Store(p).verify(), "open": read_all, "kl": kl, "failures": failures}
print(json.dumps(DO[what](path, *rest)))

"""Reads distillation targets that onnx-temper's `teacher-logits` stored. One file, numpy >= 1.24, Python >= 3.9.

    store = Store('targets/')
    row = store['n01440764/10026.JPEG', 3]            # by key and view
    batch = store.batch([0, 7, 9], store.view_of(epoch))  # by ordinal (place in samples.csv)
    p = densify(batch, temperature=4)                 # [3, C] probabilities
    view = store.replay(Image.open(path), 7, 3)       # the picture that the teacher saw, in Pillow

`python onnx_temper_targets.py STORE` checks every hash, count and key of a store. Pillow is imported by what replays views alone.

What is stored
    Row = ordinal * views + view. Of each row and teacher: centred logits z - max(z) (all C, or the K highest), max(z), and
    lse[T] = log(sum over all C of exp((z - max) / T)) at each declared temperature, from the float32 logits. So the
    probabilities of stored classes are exact at a declared temperature, p = exp(value / T - lse[T]), and so is the mass
    of the classes that a top-K store left out, 1 - sum(p). How that mass is spread is the reader's choice: a tail policy.

Tail policies
    uniform   evenly over the C - K other classes: an estimate
    ghost     one more class holds it; the student's other classes are summed likewise: the KL is a lower bound
    zero      dropped, the K probabilities divided by their sum: overstates the KL, more so at T > 1 (a TailWarning says so)

How a view is replayed (the recorded parameters are authoritative; the seed is there for audits)
    1. decode; RGB ('L' where transform.color is grey), alpha dropped; EXIF orientation applied only where the transform says exif
    2. crop [top, left, height, width] in source pixels, then resize to transform.crop by Pillow's filter (antialiased,
       8 bits after each pass): no pixel outside of the crop has influence. A height of 0: the evaluation geometry instead
    3. mirror left to right if flip
    4. ImageEnhance.Brightness, Contrast, Color by their factors (float32; 1 is none), in the order of jitter_order (255 ends)
    5. ((x / 255) - mean) / std per channel, every step in float32; channels in the order of transform.color, axes as in layout
    The mean and the population standard deviation of each channel of 5, computed in float64, are stored with the row:
    `check_input_stats` computes them again and so finds a decoder, resampler or transform that differs.
"""
from __future__ import annotations

import csv
import hashlib
import json
import mmap
import os
import struct
import sys
import warnings
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

__all__ = [
    "DriftError", "Kl", "Record", "Store", "StoreError", "TailWarning", "Targets", "densify", "ghost_log_probabilities",
    "input_stats", "kl", "log_softmax", "network_input", "replay",
]

FORMAT = "onnx-temper-targets"
VERSION = 1
TAILS = ("uniform", "ghost", "zero")
JITTER_OPS = ("brightness", "contrast", "saturation")

_DTYPES = {
    "U64": "<u8", "I64": "<i8", "F64": "<f8", "F32": "<f4", "U32": "<u4", "I32": "<i4", "F16": "<f2", "U16": "<u2",
    "I16": "<i2", "U8": "u1", "I8": "i1", "BOOL": "?",
}
_MAX_HEADER_BYTES = 1 << 20


class StoreError(ValueError):
    """The store is incomplete, damaged, of another version, or was asked for what it does not hold."""


class DriftError(StoreError):
    """A replayed view is not what the teacher saw."""


class TailWarning(UserWarning):
    """Targets are biased by the way in which the classes that were not stored are treated."""


class Record(NamedTuple):
    """The parameters of a view."""

    crop: Optional[Tuple[int, int, int, int]]
    """Top, left, height, width in source pixels; None: the evaluation geometry of the transform."""
    flip: bool = False
    jitter: Tuple[Tuple[str, float], ...] = ()
    """(operation, factor) in the order of application."""
    seed: Optional[int] = None


class Targets:
    """What one teacher said: of B rows, arrays [B, ...]; of one row, the same without the first axis.

    Dense: `logits` float32 [B, C], less the row maximum. Top-K: `indices` int64 [B, K], highest first, and `values` float32
    [B, K]. Always: `max` float32 [B], `lse` float32 [B, len(temperatures)].
    """

    __slots__ = ("logits", "indices", "values", "max", "lse", "temperatures", "n_classes")

    def __init__(self, logits, indices, values, max, lse, temperatures, n_classes):  # noqa: A002
        self.logits = logits
        self.indices = indices
        self.values = values
        self.max = max
        self.lse = lse
        self.temperatures = temperatures
        self.n_classes = n_classes

    @property
    def dense(self) -> bool:
        return self.logits is not None

    def lse_at(self, temperature: float) -> np.ndarray:
        """log(sum(exp((z - max) / T))) over all classes, float64 [B] (or a scalar). Only at declared temperatures if top-K."""
        for i, declared in enumerate(self.temperatures):
            if declared == temperature:
                return self.lse[..., i].astype(np.float64)
        if self.dense:
            return _logsumexp(self.logits.astype(np.float64) / temperature)
        known = ", ".join(f"{t:g}" for t in self.temperatures)
        raise StoreError(
            f"temperature {temperature:g}: a top-K store knows the mass of the other classes at {known} alone; store it "
            "again with --temperatures"
        )

    def stored_probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Probabilities of the stored classes, float64 [B, C] or [B, K]; of a dense store they sum to 1."""
        if self.dense:
            return np.exp(log_softmax(self.logits, temperature))
        return np.exp(self.values.astype(np.float64) / temperature - self.lse_at(temperature)[..., None])

    def tail_mass(self, temperature: float = 1.0) -> np.ndarray:
        """Probability of the classes that were not stored, float64 [B]; 0 for a dense store."""
        if self.dense:
            return np.zeros(self.logits.shape[:-1])
        # The stored values are rounded, the log-sum-exp is not: their sum may exceed 1 by that.
        return np.maximum(0.0, 1.0 - self.stored_probabilities(temperature).sum(-1))


class Kl(NamedTuple):
    """T^2 KL(teacher || student) in nats: T^2 (cross_entropy - entropy), means over rows, the two parts without T^2."""

    value: float
    cross_entropy: float
    entropy: float
    rows: np.ndarray
    """T^2 KL of each row, float64 [B]."""


def _logsumexp(x: np.ndarray) -> np.ndarray:
    top = x.max(-1, keepdims=True)
    return (np.log(np.exp(x - top).sum(-1, keepdims=True)) + top)[..., 0]


def log_softmax(logits: Any, temperature: float = 1.0) -> np.ndarray:
    """log softmax(logits / T) over the last axis, in float64."""
    x = np.asarray(logits, dtype=np.float64) / temperature
    return x - _logsumexp(x)[..., None]


def _check_tail(policy: str) -> None:
    if policy not in TAILS:
        raise StoreError(f"tail policy {policy!r}, expected one of {', '.join(TAILS)}")


def densify(targets: Targets, policy: str = "uniform", temperature: float = 1.0) -> np.ndarray:
    """Teacher probabilities at a temperature, float64 [B, C]; [B, K + 1] for 'ghost' on top-K targets.

    Dense targets have no tail: softmax(logits / T), whatever the policy. Top-K targets need a declared temperature (but for
    'zero'). 'ghost' gives the K stored classes in the order of `indices`, then the rest as one more class: compare with
    `ghost_log_probabilities` of the student.
    """
    _check_tail(policy)
    if targets.dense:
        return targets.stored_probabilities(temperature)
    if policy == "zero":
        warnings.warn(
            "tail policy 'zero' drops the other classes and renormalises: the KL is overstated, more so at high temperature",
            TailWarning,
            stacklevel=2,
        )
        top = np.exp(log_softmax(targets.values, temperature))
        dense = np.zeros(top.shape[:-1] + (targets.n_classes,))
        np.put_along_axis(dense, targets.indices, top, -1)
        return dense
    top = targets.stored_probabilities(temperature)
    rest = targets.tail_mass(temperature)[..., None]
    if policy == "ghost":
        return np.concatenate([top, rest], -1)
    others = targets.n_classes - top.shape[-1]
    dense = np.broadcast_to(rest / max(1, others), rest.shape[:-1] + (targets.n_classes,)).copy()
    np.put_along_axis(dense, targets.indices, top, -1)
    return dense


def ghost_log_probabilities(logits: Any, indices: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The student's log-probabilities of the classes in `indices`, then of all others together: float64 [B, K + 1]."""
    log_q = log_softmax(logits, temperature)
    rest = log_q.copy()
    np.put_along_axis(rest, indices, -np.inf, -1)
    all_stored = indices.shape[-1] == log_q.shape[-1]
    other = np.full(log_q.shape[:-1], -np.inf) if all_stored else _logsumexp(rest)
    return np.concatenate([np.take_along_axis(log_q, indices, -1), other[..., None]], -1)


def kl(
    teacher: Union[Targets, np.ndarray], student_logits: Any, temperature: float = 1.0, tail: str = "uniform"
) -> Kl:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), reduced as `batchmean`: the sum over classes, the mean over rows.

    In float64. `teacher` is Targets, or probabilities [B, C] at that temperature (an ensemble). Hinton, Vinyals, Dean 2015,
    section 2: T^2 keeps the gradient's size when T changes. DeiT-style code with reduction='sum' / numel divides by C too.
    """
    _check_tail(tail)
    if isinstance(teacher, Targets):
        p = np.atleast_2d(densify(teacher, tail, temperature))
        if not teacher.dense and tail == "ghost":
            log_q = np.atleast_2d(ghost_log_probabilities(student_logits, teacher.indices, temperature))
        else:
            log_q = np.atleast_2d(log_softmax(student_logits, temperature))
    else:
        p, log_q = np.atleast_2d(np.asarray(teacher, np.float64)), np.atleast_2d(log_softmax(student_logits, temperature))
    if p.shape != log_q.shape:
        raise StoreError(f"teacher [{', '.join(map(str, p.shape))}], student [{', '.join(map(str, log_q.shape))}]")
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = -np.where(p > 0, p * log_q, 0.0).sum(-1)
        entropy = -np.where(p > 0, p * np.log(p), 0.0).sum(-1)
    rows = temperature**2 * (cross - entropy)
    return Kl(float(rows.mean()), float(cross.mean()), float(entropy.mean()), rows)


def _unique_pairs(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


class _Arrays:
    """The columns of one safetensors file, memory-mapped: [rows, ...] each, checked against what they have to be."""

    def __init__(self, path: str, wanted: Mapping[str, Tuple[Tuple[str, ...], Tuple[int, ...]]]):
        try:
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise StoreError(f"{path}: is missing") from None
        except ValueError:
            raise StoreError(f"{path}: is empty") from None
        self.columns: Dict[str, np.ndarray] = {}
        header, start = self._header(path)
        for name, (dtypes, shape) in wanted.items():
            entry = header.pop(name, None)
            if entry is None:
                raise StoreError(f"{path}: has no column {name}")
            if entry["dtype"] not in dtypes:
                raise StoreError(f"{path}: {name} is {entry['dtype']}, expected {' or '.join(dtypes)}")
            if tuple(entry["shape"]) != shape:
                raise StoreError(f"{path}: {name} is {entry['shape']}, expected {list(shape)}")
            count = int(np.prod(shape, dtype=np.int64))
            offset = start + entry["data_offsets"][0]
            self.columns[name] = np.frombuffer(self._map, _DTYPES[entry["dtype"]], count, offset).reshape(shape)
        if header:
            raise StoreError(f"{path}: column {sorted(header)[0]} is not of format version {VERSION}: use a newer reader")

    def _header(self, path: str) -> Tuple[Dict[str, Any], int]:
        if len(self._map) < 8:
            raise StoreError(f"{path}: ends after {len(self._map)} bytes")
        (length,) = struct.unpack("<Q", self._map[:8])
        if length > _MAX_HEADER_BYTES or 8 + length > len(self._map):
            raise StoreError(f"{path}: a header of {length} bytes in a file of {len(self._map)}")
        try:
            header = json.loads(self._map[8 : 8 + length].decode("utf-8"), object_pairs_hook=_unique_pairs)
            metadata = header.pop("__metadata__", {})
            if metadata.get("format") != FORMAT or metadata.get("version") != str(VERSION):
                raise StoreError(f"{path}: {metadata}, expected {FORMAT} version {VERSION}")
            end = 0
            for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
                first, last = entry["data_offsets"]
                dims = entry["shape"]
                counts = all(isinstance(number, int) and number >= 0 for number in [first, last, *dims])
                items = 1
                for dim in dims:
                    items *= dim
                if not counts or first != end or last - first != items * np.dtype(_DTYPES[entry["dtype"]]).itemsize:
                    raise StoreError(f"{path}: {name}: {entry} overlaps, leaves a hole, or does not fit its shape")
                end = last
        except StoreError:
            raise
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise StoreError(f"{path}: the header is malformed: {error!r}") from None
        if 8 + length + end != len(self._map):
            raise StoreError(f"{path}: has {len(self._map)} bytes, its columns end at {8 + length + end}")
        return header, 8 + length


def _key_hash(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8")).digest()[:8], "little")


class Store:
    """A finished target store. Opening reads the manifest; everything else is mapped when it is needed.

    May be pickled and used in forked or spawned workers. Memory: 16 bytes a sample once keys are looked up.
    `max_open_parts` limits open files (a file a part and teacher, and one for what holds for all).
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"], max_open_parts: int = 512):
        self.path = os.fspath(path)
        self.max_open_parts = max_open_parts
        self.manifest: Dict[str, Any] = self._read_manifest()
        m = self.manifest
        if m.get("format") != FORMAT or m.get("version") != VERSION:
            raise StoreError(
                f"{self.path}: {m.get('format')!r} version {m.get('version')!r}, this reader knows {FORMAT} version {VERSION}"
            )
        self.n_samples = self._count("n_samples")
        self.views = self._count("views")
        self.n_rows = self._count("n_rows")
        self.rows_per_part = self._count("rows_per_part")
        self.n_parts = self._count("n_parts")
        self.kind: str = self._one_of("kind", ("dense", "top_k"))
        self.top_k: Optional[int] = self._count("top_k") if self.kind == "top_k" else None
        self.store_dtype: str = self._one_of("store_dtype", ("float16", "float32"))
        temperatures = m.get("temperatures")
        numbers = isinstance(temperatures, list) and all(isinstance(t, (int, float)) and 0 < t < np.inf for t in temperatures)
        if not numbers or not temperatures:
            raise self._malformed("temperatures", temperatures)
        self.temperatures: Tuple[float, ...] = tuple(float(t) for t in temperatures)
        self.teachers: List[Dict[str, Any]] = m.get("teachers")  # type: ignore[assignment]
        if not isinstance(self.teachers, list) or not self.teachers or not all(isinstance(t, dict) for t in self.teachers):
            raise self._malformed("teachers", self.teachers)
        for i in range(len(self.teachers)):
            if self.top_k is not None and self.top_k > self.n_classes(i):
                raise self._malformed("top_k", self.top_k)
        agrees = (
            self.n_rows == self.n_samples * self.views
            and self.rows_per_part % self.views == 0
            and self.n_parts == -(-self.n_rows // self.rows_per_part)
        )
        files = m.get("files")
        if not isinstance(files, dict) or len(files) != 2 + self.n_parts * (2 + len(self.teachers)):
            raise self._malformed("files", files)
        if not agrees:
            raise StoreError(f"{self.path}: the manifest's numbers of samples, views, rows and parts do not agree")
        self.augmented: bool = m.get("augment") is not None
        self._open: Dict[Tuple[int, int], Dict[str, np.ndarray]] = {}
        self._hashes: Optional[np.ndarray] = None
        self._order: Optional[np.ndarray] = None
        self._keys: Optional[List[str]] = None
        self._labels: Optional[np.ndarray] = None

    def __reduce__(self):
        return (Store, (self.path, self.max_open_parts))

    def __len__(self) -> int:
        return self.n_samples

    def __repr__(self) -> str:
        kind = self.kind if self.top_k is None else f"top-{self.top_k}"
        names = ", ".join(str(teacher.get("name")) for teacher in self.teachers)
        return f"<Store {self.path}: {self.n_samples} samples x {self.views} views, {kind} {self.store_dtype}, {names}>"

    # Manifest

    def _read_manifest(self) -> Dict[str, Any]:
        path = os.path.join(self.path, "manifest.json")
        try:
            with open(path, encoding="utf-8") as file:
                manifest = json.load(file, object_pairs_hook=_unique_pairs)
        except FileNotFoundError:
            raise StoreError(f"{path}: is missing: no store, or one that is not complete (teacher-logits merge)") from None
        except (RecursionError, ValueError) as error:
            raise StoreError(f"{path}: is malformed: {error}") from None
        if not isinstance(manifest, dict):
            raise StoreError(f"{path}: is no JSON object")
        return manifest

    def _malformed(self, name: str, found: Any) -> StoreError:
        return StoreError(f"{os.path.join(self.path, 'manifest.json')}: {name} is {str(found)[:200]}")

    def _count(self, name: str) -> int:
        value = self.manifest.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        raise self._malformed(name, value)

    def _one_of(self, name: str, known: Sequence[str]) -> str:
        value = self.manifest.get(name)
        if value in known:
            return value
        raise self._malformed(name, value)

    def _teacher(self, teacher: int) -> Dict[str, Any]:
        if not 0 <= teacher < len(self.teachers):
            raise IndexError(f"teacher {teacher} of {len(self.teachers)}")
        return self.teachers[teacher]

    def n_classes(self, teacher: int = 0) -> int:
        value = self._teacher(teacher).get("n_classes")
        if isinstance(value, int) and value > 1:
            return value
        raise self._malformed(f"n_classes of teacher {teacher}", value)

    def transform(self, teacher: int = 0) -> Dict[str, Any]:
        """What was done to images for this teacher. Raises for a store of numbers that were ready for the network."""
        transform = self._teacher(teacher).get("transform")
        if not isinstance(transform, dict):
            raise StoreError(f"{self.path}: teacher {teacher} took numbers ready for the network: there is no transform")
        return transform

    # Files

    def _name(self, p: int, teacher: Optional[int]) -> str:
        folder = "views" if teacher is None else f"teachers/{teacher}"
        return f"{folder}/part-{p:05d}-of-{self.n_parts:05d}.safetensors"

    def _rows_of(self, p: int) -> int:
        return min(self.rows_per_part, self.n_rows - p * self.rows_per_part)

    def _part(self, p: int, teacher: Optional[int]) -> Dict[str, np.ndarray]:
        where = (p, -1 if teacher is None else teacher)
        columns = self._open.get(where)
        if columns is None:
            rows = self._rows_of(p)
            wanted = self._view_columns(rows) if teacher is None else self._teacher_columns(rows, teacher)
            columns = _Arrays(os.path.join(self.path, self._name(p, teacher)), wanted).columns
            while len(self._open) >= self.max_open_parts:
                self._open.pop(next(iter(self._open)))
            self._open[where] = columns
        return columns

    def _view_columns(self, rows: int) -> Dict[str, Any]:
        columns: Dict[str, Any] = {
            "key_hash": (("U64",), (rows,)),
            "source_size": (("U32",), (rows, 2)),
            "status": (("U8",), (rows,)),
        }
        if self.augmented:
            columns["view_seed"] = (("U64",), (rows,))
            columns["crop"] = (("I32",), (rows, 4))
            columns["flip"] = (("U8",), (rows,))
            columns["jitter"] = (("F32",), (rows, 3))
            columns["jitter_order"] = (("U8",), (rows, 3))
        return columns

    def _teacher_columns(self, rows: int, teacher: int) -> Dict[str, Any]:
        number = ("F16",) if self.store_dtype == "float16" else ("F32",)
        classes, channels = self.n_classes(teacher), self.teachers[teacher].get("channels")
        if not isinstance(channels, int) or channels < 1:
            raise self._malformed(f"channels of teacher {teacher}", channels)
        columns: Dict[str, Any] = {
            "max": (("F32",), (rows,)),
            "lse": (("F32",), (rows, len(self.temperatures))),
            "input_mean": (("F32",), (rows, channels)),
            "input_std": (("F32",), (rows, channels)),
        }
        if self.top_k is None:
            columns["logits"] = (number, (rows, classes))
        else:
            columns["indices"] = (("U16" if classes <= 65536 else "U32",), (rows, self.top_k))
            columns["values"] = (number, (rows, self.top_k))
        return columns

    # Keys

    def _load_samples(self) -> None:
        keys: List[str] = []
        labels: List[int] = []
        path = os.path.join(self.path, "samples.csv")
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = csv.reader(file, strict=True)
                header = next(rows, None)
                if header != ["key", "label"]:
                    raise StoreError(f"{path}: the header is {header}, expected key,label")
                for key, label in rows:
                    keys.append(key)
                    labels.append(int(label) if label else -1)
        except FileNotFoundError:
            raise StoreError(f"{path}: is missing") from None
        except (csv.Error, ValueError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{path}: line {len(keys) + 2}: {error}") from None
        if len(keys) != self.n_samples:
            raise StoreError(f"{path}: {len(keys)} samples, the manifest says {self.n_samples}")
        self._keys, self._labels = keys, np.asarray(labels, dtype=np.int64)

    @property
    def keys(self) -> List[str]:
        """Keys in table order. Read from samples.csv on first use."""
        if self._keys is None:
            self._load_samples()
        return self._keys  # type: ignore[return-value]

    @property
    def labels(self) -> np.ndarray:
        """Class indices in table order, int64 [n_samples]; -1 where a sample has none."""
        if self._labels is None:
            self._load_samples()
        return self._labels  # type: ignore[return-value]

    def _index_keys(self) -> None:
        hashes = np.concatenate([self._part(p, None)["key_hash"][:: self.views] for p in range(self.n_parts)])
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def ordinal(self, key: str) -> int:
        """The place of a key in the table. Raises KeyError for a key that the store does not have."""
        if self._hashes is None:
            self._index_keys()
        hashes, order = self._hashes, self._order
        wanted = np.uint64(_key_hash(key))
        at = int(hashes.searchsorted(wanted))  # type: ignore[union-attr]
        if at == len(hashes) or hashes[at] != wanted:  # type: ignore[arg-type,index]
            raise KeyError(key)
        ordinal = int(order[at])  # type: ignore[index]
        if at + 1 == len(hashes) or hashes[at + 1] != wanted:  # type: ignore[arg-type,index]
            return ordinal
        # Two keys of one hash: the names decide.
        while at < len(hashes) and hashes[at] == wanted:  # type: ignore[arg-type,index]
            ordinal = int(order[at])  # type: ignore[index]
            if self.keys[ordinal] == key:
                return ordinal
            at += 1
        raise KeyError(key)

    def ordinals(self, keys: Iterable[str]) -> np.ndarray:
        """Places of many keys, int64."""
        return np.fromiter((self.ordinal(key) for key in keys), dtype=np.int64)

    def view_of(self, epoch: int) -> int:
        """The view to use in an epoch: the stored ones in turn."""
        return epoch % self.views

    # Targets

    def _bad(self, ordinals: Sequence[int]) -> StoreError:
        names = ", ".join(repr(self.keys[i]) for i in list(ordinals)[:5])
        return StoreError(
            f"{self.path}: no targets of {names}: the images could not be decoded; use good_ordinals() to leave them out"
        )

    def good_ordinals(self) -> np.ndarray:
        """Samples that have targets: all but the images that could not be decoded. int64."""
        status = [self._part(p, None)["status"][:: self.views] for p in range(self.n_parts)]
        return np.flatnonzero(np.concatenate(status) == 0)

    def row(self, ordinal: int, view: int = 0, teacher: int = 0) -> Targets:
        """One row, copied from the mapped file: logits [C], or indices and values [K]; max []; lse [nT]."""
        if not (0 <= ordinal < self.n_samples and 0 <= view < self.views):
            raise IndexError(f"sample {ordinal} of {self.n_samples}, view {view} of {self.views}")
        p, r = divmod(ordinal * self.views + view, self.rows_per_part)
        if self._part(p, None)["status"][r]:
            raise self._bad([ordinal])
        columns = self._part(p, self._checked(teacher))
        n_classes = self.teachers[teacher]["n_classes"]
        lse, top = columns["lse"][r].copy(), columns["max"][r]
        if self.top_k is None:
            logits = columns["logits"][r].astype(np.float32)
            return Targets(logits, None, None, top, lse, self.temperatures, n_classes)
        indices = columns["indices"][r].astype(np.int64)
        values = columns["values"][r].astype(np.float32)
        return Targets(None, indices, values, top, lse, self.temperatures, n_classes)

    def __getitem__(self, address: Union[str, Tuple[str, int]]) -> Targets:
        """store[key, view], or store[key] for view 0; of the first teacher."""
        key, view = address if isinstance(address, tuple) else (address, 0)
        return self.row(self.ordinal(key), view)

    def _checked(self, teacher: int) -> int:
        self._teacher(teacher)
        return teacher

    def _rows(self, ordinals: Any, views: Any) -> np.ndarray:
        o = np.atleast_1d(np.asarray(ordinals))
        if o.dtype == bool or o.dtype.kind not in "iu" or o.ndim != 1 or len(o) == 0:
            raise StoreError(f"ordinals are {o.dtype} {list(o.shape)}, expected a list of whole numbers")
        v = np.broadcast_to(np.asarray(views), o.shape)
        if o.min() < 0 or o.max() >= self.n_samples or v.min() < 0 or v.max() >= self.views:
            raise IndexError(
                f"samples {o.min()}..{o.max()} of {self.n_samples}, views {v.min()}..{v.max()} of {self.views}"
            )
        return o.astype(np.int64) * self.views + v.astype(np.int64)

    def gather(self, name: str, ordinals: Any, views: Any = 0, teacher: Optional[int] = None) -> np.ndarray:
        """A column for many rows, as stored. Without a teacher: key_hash, source_size, status, and those of the views."""
        rows = self._rows(ordinals, views)
        parts, inside = np.divmod(rows, self.rows_per_part)
        out: Optional[np.ndarray] = None
        for p in np.unique(parts):
            columns = self._part(int(p), teacher if teacher is None else self._checked(teacher))
            if name not in columns:
                raise StoreError(f"{self.path}: there is no column {name} of {'views' if teacher is None else 'teachers'}")
            column = columns[name]
            here = parts == p
            if out is None:
                out = np.empty((len(rows),) + column.shape[1:], column.dtype)
            out[here] = column[inside[here]]
        return out  # type: ignore[return-value]

    def batch(self, ordinals: Any, views: Any = 0, teacher: int = 0) -> Targets:
        """Targets of many samples: one view for all, or one each. In the order of `ordinals`, repetitions allowed."""
        bad = self.gather("status", ordinals, views)
        if bad.any():
            raise self._bad(np.atleast_1d(np.asarray(ordinals))[bad != 0].tolist())
        get = lambda name: self.gather(name, ordinals, views, teacher)  # noqa: E731
        n_classes = self.n_classes(teacher)
        if self.top_k is None:
            logits = get("logits").astype(np.float32)
            return Targets(logits, None, None, get("max"), get("lse"), self.temperatures, n_classes)
        indices = get("indices").astype(np.int64)
        values = get("values").astype(np.float32)
        return Targets(None, indices, values, get("max"), get("lse"), self.temperatures, n_classes)

    def ensemble(
        self,
        ordinals: Any,
        views: Any = 0,
        how: str = "mean_probability",
        weights: Optional[Sequence[float]] = None,
        temperature: float = 1.0,
        tail: str = "uniform",
    ) -> np.ndarray:
        """Probabilities of all teachers together at a temperature, float64 [B, C].

        'mean_probability': the weighted mean of softmax(z / T) (MEAL V2's target; the loss against it differs from the weighted sum of
        the losses by a constant). 'mean_logit': softmax of the weighted mean of z / T; needs dense targets. Weights are
        divided by their sum.
        """
        teachers = range(len(self.teachers))
        w = np.full(len(self.teachers), 1.0) if weights is None else np.asarray(weights, np.float64)
        if w.shape != (len(self.teachers),) or not (w >= 0).all() or not 0 < w.sum() < np.inf:
            raise StoreError(f"weights {list(w)}, expected {len(self.teachers)} numbers >= 0, not all 0")
        w = w / w.sum()
        classes = {self.n_classes(i) for i in teachers}
        if len(classes) > 1:
            raise StoreError(f"teachers of {', '.join(map(str, sorted(classes)))} classes have no common ensemble")
        if how == "mean_logit":
            if self.top_k is not None:
                raise StoreError("mean_logit needs the logits of all classes, which a top-K store does not have")
            # Each row's maximum is a constant of the row, and softmax does not see it.
            mean = sum(w[i] * self.batch(ordinals, views, i).logits.astype(np.float64) for i in teachers)
            return np.exp(log_softmax(mean, temperature))
        if how != "mean_probability":
            raise StoreError(f"ensemble {how!r}, expected mean_probability or mean_logit")
        if tail == "ghost" and self.top_k is not None:
            raise StoreError("tail policy 'ghost' has other classes for every teacher: use 'uniform' for an ensemble")
        return sum(w[i] * densify(self.batch(ordinals, views, i), tail, temperature) for i in teachers)  # type: ignore[return-value]

    # Views

    def record(self, ordinal: int, view: int = 0) -> Record:
        """How a view was made; without augmentation, the evaluation geometry."""
        if not (0 <= ordinal < self.n_samples and 0 <= view < self.views):
            raise IndexError(f"sample {ordinal} of {self.n_samples}, view {view} of {self.views}")
        if not self.augmented:
            return Record(None)
        p, r = divmod(ordinal * self.views + view, self.rows_per_part)
        columns = self._part(p, None)
        top, left, height, width = (int(number) for number in columns["crop"][r])
        jitter = tuple(
            (JITTER_OPS[op], float(columns["jitter"][r, op])) for op in columns["jitter_order"][r].tolist() if op < len(JITTER_OPS)
        )
        crop = (top, left, height, width) if width > 0 else None
        return Record(crop, bool(columns["flip"][r]), jitter, int(columns["view_seed"][r]))

    def replay(self, image: Any, ordinal: int, view: int = 0, teacher: int = 0, size: Any = None):
        """The view of a sample as this teacher saw it, as a Pillow image. See `replay` of the module."""
        transform = self.transform(teacher)
        height, width = (int(side) for side in self.gather("source_size", [ordinal], view)[0])
        image = _oriented(image, transform)
        if image.size != (width, height):
            raise DriftError(f"{self.keys[ordinal]}: is {image.size[0]} x {image.size[1]} pixels, was {width} x {height}")
        return replay(image, self.record(ordinal, view), dict(transform, orientation="ignore"), size)

    def check_input_stats(
        self, image: Any, ordinal: int, view: int = 0, teacher: int = 0, tolerance: float = 1e-6
    ) -> float:
        """Replays a view and compares the statistics of the network's input with those stored by the teacher's run.

        Returns the largest relative difference. Raises DriftError where one is above the tolerance: another decoder,
        resampler, transform or file than the teacher saw.
        """
        x = network_input(self.replay(image, ordinal, view, teacher), self.transform(teacher))
        worst = 0.0
        for name, found in zip(("input_mean", "input_std"), input_stats(x, self.transform(teacher))):
            stored = self.gather(name, [ordinal], view, teacher)[0].astype(np.float64)
            if stored.shape != found.shape:
                raise DriftError(f"{self.keys[ordinal]}: {found.shape[0]} channels, stored are {stored.shape[0]}")
            scale = np.maximum(np.maximum(np.abs(stored), np.abs(found)), 1e-12)
            difference = float((np.abs(stored - found) / scale).max())
            if not difference <= tolerance:
                raise DriftError(
                    f"{self.keys[ordinal]}, view {view}: {name} is {found.tolist()}, the teacher's input had "
                    f"{stored.tolist()}: decoder, resampler, transform or file differ"
                )
            worst = max(worst, difference)
        return worst

    # Verification

    def verify(self) -> List[str]:
        """Reads everything once: hashes, sizes, names, sidecars, columns, keys. Returns what is wrong: nothing, or messages."""
        problems: List[str] = []
        files = self.manifest["files"]
        names = {"run.json", "samples.csv"}
        for p in range(self.n_parts):
            names.add(f"parts/part-{p:05d}-of-{self.n_parts:05d}.json")
            names.update(self._name(p, t) for t in [None, *range(len(self.teachers))])
        problems += [f"{name}: is not in the manifest" for name in sorted(names - files.keys())]
        problems += [f"{name}: is in the manifest, but belongs to no part" for name in sorted(files.keys() - names)]
        for name in sorted(names & files.keys()):
            problems += self._verify_file(name, files[name])
        expected = [
            {"part": p, "first_row": p * self.rows_per_part, "n_rows": self._rows_of(p)} for p in range(self.n_parts)
        ]
        if self.manifest.get("parts") != expected:
            problems.append("manifest.json: parts do not cover the rows, each once")
        if problems:
            return problems
        try:
            for p in range(self.n_parts):
                for teacher in range(len(self.teachers)):
                    self._part(p, teacher)
                self._verify_part(p, files, problems)
        except (KeyError, ValueError) as error:
            problems.append(str(error))
        return problems

    def _verify_file(self, name: str, stated: Any) -> List[str]:
        hash_ = hashlib.sha256()
        size = 0
        try:
            with open(os.path.join(self.path, *name.split("/")), "rb") as file:
                for chunk in iter(lambda: file.read(1 << 20), b""):
                    hash_.update(chunk)
                    size += len(chunk)
        except OSError as error:
            return [f"{name}: cannot be read: {error.strerror}"]
        found = {"sha256": hash_.hexdigest(), "bytes": size}
        return [] if found == stated else [f"{name}: {found}, the manifest says {stated}"]

    def _verify_part(self, p: int, files: Mapping[str, Any], problems: List[str]) -> None:
        name = f"parts/part-{p:05d}-of-{self.n_parts:05d}.json"
        with open(os.path.join(self.path, name), encoding="utf-8") as file:
            sidecar = json.load(file)
        arrays = {n: files[n] for n in [self._name(p, t) for t in [None, *range(len(self.teachers))]]}
        place = {
            "part": p,
            "n_parts": self.n_parts,
            "first_row": p * self.rows_per_part,
            "n_rows": self._rows_of(p),
            "run": files["run.json"]["sha256"],
        }
        if sidecar.get("files") != arrays or any(sidecar.get(field) != value for field, value in place.items()):
            problems.append(f"{name}: disagrees with the manifest")
        first = p * self.rows_per_part // self.views
        keys = self.keys[first : first + self._rows_of(p) // self.views]
        wanted = np.repeat(np.asarray([_key_hash(key) for key in keys], dtype=np.uint64), self.views)
        different = np.flatnonzero(self._part(p, None)["key_hash"] != wanted)
        if len(different):
            problems.append(f"{self._name(p, None)}: row {different[0]}: the key's hash is not that of samples.csv")


# Replay


def _oriented(image: Any, transform: Mapping[str, Any]) -> Any:
    if transform.get("orientation") != "exif":
        return image
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _filter(transform: Mapping[str, Any]) -> Any:
    from PIL import Image

    for name, usual in (("resampler", "pillow"), ("framing", "torchvision")):
        if transform.get(name, usual) != usual:
            raise StoreError(f"{name} {transform[name]!r} is not replayed by this reader, which has Pillow's pixels")
    filters = {"nearest": "NEAREST", "box": "BOX", "bilinear": "BILINEAR", "hamming": "HAMMING", "bicubic": "BICUBIC",
            "lanczos": "LANCZOS"}  # fmt: skip
    if transform["interpolation"] not in filters:
        raise StoreError(f"interpolation {transform['interpolation']!r} is not known to this reader")
    return getattr(getattr(Image, "Resampling", Image), filters[transform["interpolation"]])


def _resized_size(rule: str, size: Tuple[int, int], target: Tuple[int, int]) -> Tuple[int, int]:
    """Width and height after the resize rule: torchvision's Resize, timm's ResizeKeepRatio, FixRes' height."""
    (w, h), (tw, th) = size, target
    if rule == "squash":
        return tw, th
    if rule == "height":
        return max(1, int(th * w / h)), th
    if rule == "long":
        length = max(tw, th)
        return (length, max(1, int(length * h / w))) if w >= h else (max(1, int(length * w / h)), length)
    if rule == "short" and tw == th:
        return (tw, max(1, int(tw * h / w))) if w <= h else (max(1, int(th * w / h)), th)
    if rule in ("short", "border"):
        ratio = (min if rule == "short" else max)(h / th, w / tw)
        return max(1, round(w / ratio)), max(1, round(h / ratio))
    raise StoreError(f"resize rule {rule!r} is not known to this reader")


def _evaluation_view(image: Any, transform: Mapping[str, Any]) -> Any:
    """Resize by rule, then torchvision's centre crop: padded where the picture is smaller, the odd pixel right and below."""
    from PIL import Image

    resize, crop = transform["resize"], transform["crop"]
    size = _resized_size(transform["resizeRule"], image.size, (resize["width"], resize["height"]))
    image = image.resize(size, _filter(transform))
    (w, h), (cw, ch) = size, (crop["width"], crop["height"])
    if w < cw or h < ch:
        fill = tuple(int(value) for value in transform["fill"])
        canvas = Image.new(image.mode, (max(w, cw), max(h, ch)), fill if len(fill) > 1 else fill[0])
        canvas.paste(image, (max(0, cw - w) // 2, max(0, ch - h) // 2))
        image = canvas
    left, top = round((image.size[0] - cw) / 2), round((image.size[1] - ch) / 2)
    return image.crop((left, top, left + cw, top + ch))


def replay(image: Any, record: Record, transform: Mapping[str, Any], size: Any = None) -> Any:
    """Makes a view again: a Pillow image, RGB or L, of the size of the transform.

    `size` (N, or height and width) gives a student of another size the same view; random crops alone.
    """
    from PIL import Image, ImageEnhance

    image = _oriented(image, transform)
    image = image.convert("RGB")
    if transform["color"] == "grey":
        image = image.convert("L")
    if record.crop is None:
        if size is not None:
            raise StoreError("size is for random crops: give the evaluation transform of that size instead")
        image = _evaluation_view(image, transform)
    else:
        top, left, height, width = record.crop
        if top < 0 or left < 0 or height < 1 or left + width > image.size[0] or top + height > image.size[1]:
            raise DriftError(f"crop {record.crop} does not lie in a picture of {image.size[0]} x {image.size[1]} pixels")
        if size is None:
            size = (transform["crop"]["height"], transform["crop"]["width"])
        h, w = (size, size) if isinstance(size, int) else size
        image = image.crop((left, top, left + width, top + height)).resize((w, h), _filter(transform))
    if record.flip:
        image = image.transpose(getattr(Image, "Transpose", Image).FLIP_LEFT_RIGHT)
    enhance = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color}
    for op, factor in record.jitter:
        image = enhance[op](image).enhance(factor)
    return image


def network_input(image: Any, transform: Mapping[str, Any]) -> np.ndarray:
    """A replayed view as the network's input, normalised as torch does: [C, H, W], or [H, W, C] if layout is NHWC."""
    x = np.asarray(image)
    x = x[:, :, None] if x.ndim == 2 else x
    dtype = transform["dtype"]
    if dtype != "uint8":
        mean, std = (np.asarray(transform[name], np.float32) for name in ("mean", "std"))
        x = (x.astype(np.float32) / np.float32(255) - mean) / std
    if transform["color"] == "bgr":
        x = x[:, :, ::-1]
    if transform["layout"] == "NCHW":
        x = x.transpose(2, 0, 1)
    return np.ascontiguousarray(x, dtype=dtype)


def input_stats(x: np.ndarray, transform: Mapping[str, Any]) -> Tuple[np.ndarray, np.ndarray]:
    """Mean and population standard deviation of each channel of a network input, in float64."""
    channels = x.reshape(x.shape[0], -1) if transform["layout"] == "NCHW" else x.reshape(-1, x.shape[-1]).T
    values = np.ascontiguousarray(channels, dtype=np.float64)
    return values.mean(-1), values.std(-1)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: onnx_temper_targets.py STORE")
    try:
        opened = Store(sys.argv[1])
        found = opened.verify()
    except StoreError as error:
        sys.exit(f"error: {error}")
    print(opened)
    for message in found:
        print(f"error: {message}")
    print(f"{len(found)} problems" if found else "every hash, count and key agrees")
    sys.exit(1 if found else 0)

"""Templates to vectors: the weighted mean of the vectors of their words.

    word      known: its row;  unknown: mean of the rows of its n-grams, as fastText does
    template  sum_w weight_w vector_w / sum_w weight_w  -  mean

All of it is linear, so means of projected tables are what projecting every mean would give: the model file holds small
tables, and the device embeds a never-seen template as training would have, without fastText.
"""
from __future__ import annotations

from itertools import chain
from typing import Any, Mapping, Sequence

import numpy as np

from ..errors import ModelFileError
from .subwords import ngram_rows
from .words import words as words_of


class Vectors:
    """Word and n-gram tables. A template none of whose words has a vector gets zeros: the average template."""

    def __init__(self, words: Sequence[str], word_table: np.ndarray, subword_table: np.ndarray, minn: int, maxn: int, *,
                 n_buckets: int | None = None, subword_ids: np.ndarray | None = None,
                 weights: np.ndarray | None = None, unknown_weight: float = 1.0,
                 mean: np.ndarray | None = None, templates: Sequence[str] = (),
                 template_table: np.ndarray | None = None) -> None:
        """word_table (V, D): complete vectors of the V known words, their n-grams included. subword_table (S, D): rows
        of the n-gram buckets subword_ids (S,), ascending, of n_buckets; None: all S. weights (V,), above 0; None: 1.
        mean (D,); None: 0. template_table (N, D): vectors of whole templates, which go before their words.
        """
        self.words = list(words)
        self.word_table = np.asarray(word_table, np.float32)
        self.subword_table = np.asarray(subword_table, np.float32)
        self.minn, self.maxn = minn, maxn
        self.n_buckets = len(subword_table) if n_buckets is None else n_buckets
        self.subword_ids = np.arange(len(subword_table)) if subword_ids is None else np.asarray(subword_ids, np.int64)
        self.weights = np.ones(len(self.words), np.float32) if weights is None else np.asarray(weights, np.float32)
        self.unknown_weight = unknown_weight
        self.mean = np.zeros(self.word_table.shape[1], np.float32) if mean is None else np.asarray(mean, np.float32)
        self.templates = list(templates)
        self.template_table = np.zeros((0, len(self.mean)), np.float32) if template_table is None else np.asarray(template_table, np.float32)
        self._index = {word: i for i, word in enumerate(self.words)}
        self._row = {text: i for i, text in enumerate(self.templates)}

    def vector(self, text: str) -> np.ndarray:
        """(D,) float32 of a template's text."""
        return self.vectors([text])[0]

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(n, D) float32 of n texts."""
        sentences = [words_of(text) for text in texts]
        known = {word: self.word_vector(word) for word in dict.fromkeys(chain.from_iterable(sentences))}
        table = np.zeros((len(texts), len(self.mean)), np.float32)  # (n, D)
        for i, sentence in enumerate(sentences):
            there = [word for word in sentence if known[word] is not None]
            row = self._row.get(texts[i])
            if row is not None:
                table[i] = self.template_table[row] - self.mean
            elif there:
                weights = [self._weight(word) for word in there]
                table[i] = np.average([known[word] for word in there], axis=0, weights=weights) - self.mean
        return table

    def word_vector(self, word: str) -> np.ndarray | None:
        """(D,) float64 of one word, the mean not subtracted; None where neither it nor any of its n-grams has a row."""
        i = self._index.get(word)
        if i is not None:
            return self.word_table[i].astype(np.float64)
        buckets = ngram_rows(word, self.minn, self.maxn, self.n_buckets)
        rows = np.searchsorted(self.subword_ids, buckets)
        there = rows < len(self.subword_ids)
        there[there] = self.subword_ids[rows[there]] == buckets[there]
        return self.subword_table[rows[there]].mean(0, dtype=np.float64) if there.any() else None

    def projected(self, mean: np.ndarray, axes: np.ndarray) -> Vectors:
        """The same words where vectors (D,) have become (vector - mean) @ axes.T; mean (D,), axes (D', D)."""
        axes = np.asarray(axes, np.float64)
        return self.changed(word_table=self.word_table @ axes.T, subword_table=self.subword_table @ axes.T,
                            template_table=self.template_table @ axes.T,
                            mean=(self.mean.astype(np.float64) + mean) @ axes.T)

    def changed(self, **arguments: Any) -> Vectors:
        """The same but for these arguments of the constructor."""
        names = ("words", "word_table", "subword_table", "minn", "maxn", "n_buckets", "subword_ids", "weights",
                 "unknown_weight", "mean", "templates", "template_table")
        return Vectors(**{**{name: getattr(self, name) for name in names}, **arguments})

    def tensors(self) -> dict[str, np.ndarray]:
        """What the model file holds of it beside `meta`. Words are UTF-8 text, one a line."""
        tensors = {"words": _packed(self.words), "word_table": self.word_table,
                   "subword_table": self.subword_table, "weights": self.weights, "mean": self.mean}
        if len(self.subword_ids) < self.n_buckets:
            tensors["subword_ids"] = self.subword_ids.astype(np.int32)
        if self.templates:
            tensors |= {"templates": _packed(self.templates), "template_table": self.template_table}
        return tensors

    def meta(self) -> dict[str, Any]:
        """The numbers beside `tensors`, as JSON values."""
        return {"minn": self.minn, "maxn": self.maxn, "n_buckets": self.n_buckets,
                "unknown_weight": self.unknown_weight}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Vectors:
        """Undoes `tensors` and `meta`. ModelFileError: they do not fit together."""
        try:
            vectors = cls(_unpacked(tensors["words"]), tensors["word_table"], tensors["subword_table"],
                          int(meta["minn"]), int(meta["maxn"]), n_buckets=int(meta["n_buckets"]),
                          subword_ids=tensors.get("subword_ids"), weights=tensors["weights"],
                          unknown_weight=float(meta["unknown_weight"]), mean=tensors["mean"],
                          templates=_unpacked(tensors.get("templates", np.zeros(0, np.uint8))),
                          template_table=tensors.get("template_table"))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"the word vectors of the model are damaged ({type(error).__name__}: {error})") from None
        n, ids, dim = len(vectors.words), vectors.subword_ids, vectors.mean.shape[-1:]
        arrays = (vectors.word_table, vectors.subword_table, ids, vectors.weights, vectors.mean, vectors.template_table)
        if ([array.shape for array in arrays] != [(n, *dim), (ids.size, *dim), (ids.size,), (n,), dim, (len(vectors.templates), *dim)]
                or (np.diff(ids) <= 0).any() or ("subword_ids" in tensors) != (len(ids) < vectors.n_buckets)
                or not min([vectors.unknown_weight, *vectors.weights]) > 0):
            raise ModelFileError("the word vectors of the model are damaged: their tables do not fit together")
        return vectors

    def _weight(self, word: str) -> float:
        i = self._index.get(word)
        return self.unknown_weight if i is None else float(self.weights[i])


def _packed(texts: Sequence[str]) -> np.ndarray:
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _unpacked(array: np.ndarray) -> list[str]:
    text = array.tobytes().decode()
    return text.split("\n") if text else []

"""CLDTLog (Tian 2023): a transformer encoder reads the words of the lines; contrastive and focal loss part the classes.

    pieces   a line's letters, lower case, as word pieces between [CLS] and [SEP]       embedding/wordpieces.py
    h        state of [CLS] behind the encoder, one a distinct text                    layers/encoder.py
    v        the largest of h over the lines of the window, number by number
    z = w . v + b                loss = alpha triplet(v) + (1 - alpha) focal(z)

    score = platt_0 z + platt_1 + log-odds of the prior

No parser. As published, five lines are joined and cut after 50 tokens, so that the last ones are labelled but not read;
here each distinct text is encoded once, however many windows have it, and no line is lost. The encoder is small and
starts from nothing: it learns its vocabulary, then to guess masked pieces of the training texts (Devlin 2019), then the
two losses, in batches with a fixed number of anomalous windows. A BERT can take its place: `Detector.of_bert`.

Focal logits are not calibrated: Platt's line (1999) is fitted on the last fifth of each class, which the network has not
learned from yet, as log-odds between equally many of both. What is latest is likest to what comes: it is learned at last.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any, NamedTuple

import numpy as np

from ..embedding import bert
from ..embedding.wordpieces import WordPieces
from ..layers import dense, encoder
from ..layers.activations import sigmoid
from ..layers.params import Params, add, named, part
from ..losses import cross_entropy, focal, triplet
from ..records import Reason, Windows
from . import Sizes

NEEDS = ("texts", "labels")
WINDOW = {"window": 5}
CHUNK = 512  # windows, or texts, computed at once: bounds memory
HELD_OUT = 5  # one in so many windows calibrates
MASKED, HIDDEN, STRANGE = 0.15, 0.8, 0.1  # share of pieces to guess; of those, how many are [MASK], or any other piece
_LETTERS = bytes(byte | 32 if chr(byte).isalpha() and byte < 128 else 32 for byte in range(256))  # the rest separates


@dataclass(frozen=True)
class Config:
    tokens: int = 50  # of a line at most, [CLS] and [SEP] among them
    pieces: int = 1500  # of the vocabulary
    width: int = 64
    heads: int = 4
    layers: int = 2
    hidden: int = 128
    dropout: float = 0.1
    frozen: int = 0  # so many blocks, and the tables below them, stay as pre-training left them
    mask_steps: int = 300  # batches of pre-training
    steps: int = 200  # batches of fine-tuning at least: each pass over the anomalous windows is finished
    last_steps: int = 100  # then, on the windows that calibrated too
    batch: int = 64
    anomalous: int = 6  # of a batch
    lr: float = 1e-3
    alpha: float = 0.2
    margin: float = 2.0
    gamma: float = 3.5
    prior: float = 0.02  # share of anomalous windows in what will be scored


TINY = Config(pieces=60, width=16, heads=2, layers=1, hidden=32, mask_steps=20, steps=60, last_steps=20, lr=3e-3)


class Detector:
    NEEDS = ("texts",)
    threshold = 0.0

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values, and a vocabulary of nothing: `fit` learns it, and drops the rows that it does not need."""
        c = config
        network = encoder.init(rng, c.pieces, c.tokens, c.width, c.hidden, c.layers)
        return cls(replace(c, prior=sizes.prior), _whole(network, np.zeros(0, np.uint8), rng))

    @classmethod
    def of_bert(cls, config: Config, sizes: Sizes, rng: np.random.Generator, arrays: Mapping[str, np.ndarray],
                vocabulary: WordPieces) -> Detector:
        """One whose encoder is a BERT, by its arrays' Hugging Face names. `heads` (and `frozen`, and `tokens`) are the config's.

        ModelFileError where the arrays are no BERT or have another vocabulary, or `heads` does not divide its width.
        """
        network = bert.params_of(arrays, len(vocabulary), config.heads)
        pieces, width = network["word.E"].shape
        config = replace(config, pieces=pieces, width=width, layers=bert.depth_of(arrays), hidden=len(network["0.up.b"]),
                         mask_steps=0, tokens=min(config.tokens, len(network["position.E"])), prior=sizes.prior)
        return cls(config, _whole(network, _packed(vocabulary), rng))

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Learns vocabulary, words and classes from the texts and labels of windows in order of time.

        Gives the losses of fine-tuning.
        """
        rng = np.random.default_rng(0) if rng is None else rng
        lines = _Lines.of(windows)
        if len(self.params["vocabulary"]) == 0:
            pieces = WordPieces.learn(lines.texts, self.config.pieces)
            self.params |= {"vocabulary": _packed(pieces), "encoder.word.E": self.params["encoder.word.E"][:len(pieces)].copy()}
        ids, _ = self._pieces().encode(lines.texts, self.config.tokens)
        self._guess_masked(ids, minimise, rng)
        held = _held_out(windows.labels)
        losses = self._part_classes(ids, lines, windows, ~held, self.config.steps, minimise, rng)
        z = self._logits(lines)[0]
        if len(set(windows.labels[held].tolist())) < 2:
            held[:] = True  # too few to spare any
        weights = np.ones(len(held)) if windows.weights is None else windows.weights
        self.params["platt"] = _platt(z[held], windows.labels[held], weights[held])
        return losses + self._part_classes(ids, lines, windows, np.ones(len(held), bool), self.config.last_steps, minimise, rng)

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32 log-odds that a window is anomalous, where `prior` of them are."""
        a, b = self.params["platt"]
        prior = self.config.prior
        return self._logits(_Lines.of(windows))[0] * a + b + np.float32(log(prior / (1 - prior)))

    def explain(self, windows: Windows, i: int) -> Reason:
        """How much less anomalous window i would be without each of its texts; of the worst, the pieces that did it."""
        window, T = windows.take(slice(i, i + 1)), windows.events.shape[1]
        lines, real = _Lines.of(window), window.mask[0]
        z, h = self._logits(lines)
        n = len(h)
        others = np.tile(np.arange(n), (n, 1))
        np.fill_diagonal(others, (np.arange(n) + 1) % n)  # a set in which a text is replaced by another one is without it
        drop = np.maximum(z - self._head(h[others].max(1)), 0) if n > 1 else np.ones(1)
        each = (drop / np.bincount(lines.order[0], minlength=n))[lines.order[0]]  # (lines,), alike ones share
        contrib = np.zeros(T, np.float32)
        contrib[:len(each)] = each[:T]
        contrib = np.where(real, contrib, 0) if contrib[real].sum() > 0 else real.astype(np.float32)
        worst = lines.texts[int(drop.argmax())]
        return Reason("text", int(contrib.argmax()), (contrib / max(contrib.sum(), 1e-30)).astype(np.float32), detail={"pieces": self._telling(worst)})

    def _telling(self, text: str) -> list[str]:
        """At most three pieces of a text, those first without which it would be the least anomalous; each in the place of a [MASK]."""
        pieces = self._pieces()
        ids = pieces.encode([text], self.config.tokens)[0]
        inner = np.arange(1, ids.shape[1] - 1)
        if len(inner) == 0:
            return []
        masked = np.repeat(ids, len(inner), 0)
        masked[np.arange(len(inner)), inner] = pieces.mask
        z = self._head(self._states(masked))
        return [pieces.pieces[ids[0, 1 + k]] for k in np.argsort(z, kind="stable")[:3]]

    def _logits(self, lines: _Lines) -> tuple[np.ndarray, np.ndarray]:
        """z (B,) of the windows, and the states (n, D) of their distinct texts, each computed once."""
        h = self._states(self._pieces().encode(lines.texts, self.config.tokens)[0])
        v = [h[lines.sets[i:i + CHUNK]].max(1) for i in range(0, len(lines.sets), CHUNK)]
        return self._head(np.concatenate(v)) if v else np.zeros(0, np.float32), h

    def _states(self, ids: np.ndarray) -> np.ndarray:
        """(n, D) of [CLS], for texts ids (n, L); those of similar length together."""
        params, pad = part(self.params, "encoder"), self._pieces().pad
        lengths = (ids != pad).sum(1)
        order = np.argsort(lengths, kind="stable")
        h = np.empty((len(ids), self.config.width), np.float32)
        for i in range(0, len(ids), CHUNK):
            some = order[i:i + CHUNK]
            few = ids[some, :lengths[some].max()]
            h[some] = encoder.infer(few, params, self.config.heads, few != pad)[:, 0]
        return h

    def _head(self, v: np.ndarray) -> np.ndarray:
        """z (B,) of v (B, D)."""
        return dense.infer(v, part(self.params, "head"))[:, 0]

    def _pieces(self) -> WordPieces:
        return WordPieces(self.params["vocabulary"].tobytes().decode().split("\n"))

    def _guess_masked(self, ids: np.ndarray, minimise: Callable, rng: np.random.Generator) -> None:
        """Pre-training on the texts ids (n, L): what stood where a piece is hidden, by the same table that reads it."""
        c, pieces = self.config, self._pieces()
        if c.mask_steps == 0:
            return
        chosen = rng.permutation(len(ids))[:c.mask_steps * c.batch]
        guess = {"guess.b": np.zeros(len(pieces), np.float32)}

        def step(params: Params, index: np.ndarray) -> tuple[float, Params]:
            some = _trimmed(ids[chosen[index]], pieces.pad)
            hidden, asked = _hidden(some, pieces, rng)
            h, cache = encoder.forward(hidden, part(params, "encoder"), c.heads, hidden != pieces.pad, c.dropout, rng)
            table, found = params["encoder.word.E"], h[asked]  # (V, D), (asked, D)
            loss, dy = cross_entropy.loss(found @ table.T + params["guess.b"], some[asked])
            dh = np.zeros_like(h)
            dh[asked] = dy @ table
            _, grads = encoder.backward(dh, cache)
            return loss, add(named("encoder", grads), {"encoder.word.E": dy.T @ found, "guess.b": dy.sum(0)})

        passes = max(1, round(c.mask_steps * c.batch / len(chosen)))
        minimise(step, self._learned("encoder") | guess, len(chosen), epochs=passes, batch=c.batch, lr=c.lr)

    def _part_classes(self, ids: np.ndarray, lines: _Lines, windows: Windows, use: np.ndarray, steps: int, minimise: Callable,
                      rng: np.random.Generator) -> list[float]:
        """Fine-tuning on the distinct windows among those in `use`: batches of both classes, each passed over evenly."""
        c, pad = self.config, self._pieces().pad
        kinds = np.unique(np.column_stack([windows.labels[use], lines.sets[use]]), axis=0)
        labels, sets = kinds[:, 0], kinds[:, 1:]
        normal, anomalous = (np.flatnonzero(labels == label) for label in (0, 1))
        decks = _deck(normal, c.batch - c.anomalous, rng), _deck(anomalous, c.anomalous, rng)
        passing = max(-(-len(anomalous) // c.anomalous), 1)  # batches of a pass over the anomalous windows
        per_epoch = passing * max(1, 20 // passing)

        def step(params: Params, index: np.ndarray) -> tuple[float, Params]:
            rows = np.concatenate([next(deck) for deck in decks])
            return self._loss_and_grads(params, ids, sets[rows], labels[rows], pad, rng)

        return minimise(step, self._learned(""), per_epoch * c.batch, epochs=-(-steps // per_epoch), batch=c.batch, lr=c.lr)

    def _loss_and_grads(self, params: Params, ids: np.ndarray, sets: np.ndarray, labels: np.ndarray, pad: int,
                        rng: np.random.Generator) -> tuple[float, Params]:
        """Of windows given as sets (B, S) of texts ids (n, L); each text of theirs is encoded once."""
        c = self.config
        texts, where = np.unique(sets, return_inverse=True)
        some = _trimmed(ids[texts], pad)
        states, cache = encoder.forward(some, part(params, "encoder"), c.heads, some != pad, c.dropout, rng)
        h = states[:, 0][where.reshape(sets.shape)]  # (B, S, D)
        largest = h.argmax(1)  # (B, D), which of S
        v = np.take_along_axis(h, largest[:, None], 1)[:, 0]
        z, head_cache = dense.forward(v, part(params, "head"))
        apart, dv = triplet.loss(v, labels, margin=c.margin)
        surprise, dz = focal.loss(z[:, 0], labels, gamma=c.gamma)
        dv_head, head = dense.backward((1 - c.alpha) * dz[:, None], head_cache)
        # forward: v = the largest of h: each number came from one text
        D, source = v.shape[1], np.take_along_axis(where.reshape(sets.shape), largest, 1)
        cells = source * D + np.arange(D)
        dstates = np.zeros_like(states)
        dstates[:, 0] = np.bincount(cells.ravel(), (c.alpha * dv + dv_head).ravel(), len(texts) * D).reshape(-1, D)
        _, grads = encoder.backward(dstates, cache, c.frozen)
        return c.alpha * apart + (1 - c.alpha) * surprise, named("encoder", grads) | named("head", head)

    def _learned(self, name: str) -> Params:
        """What descent changes: the arrays themselves."""
        return {key: array for key, array in self.params.items() if key.startswith(("encoder", "head")) and key.startswith(name)}


class _Lines(NamedTuple):
    """The distinct texts of windows, and which of them each window has."""

    texts: list[str]  # (n,)
    order: list[list[int]]  # text of each line, a list a window; one empty text where a window has no line
    sets: np.ndarray  # (B, S) intp: each window's distinct texts in ascending order, the first one repeated behind the last

    @classmethod
    def of(cls, windows: Windows) -> _Lines:
        """Letters are kept, in lower case; what else a line has, separates words."""
        number: dict[bytes, int] = {}
        line_text: dict[bytes, int] = {}
        for lines in windows.texts:
            for line in lines or [b""]:
                if line not in line_text:
                    line_text[line] = number.setdefault(b" ".join(line.translate(_LETTERS).split()), len(number))
        order = [[line_text[line] for line in lines or [b""]] for lines in windows.texts]
        distinct = [sorted(set(each)) for each in order]
        S = max(map(len, distinct), default=1)
        sets = np.array([each + each[:1] * (S - len(each)) for each in distinct], np.intp).reshape(-1, S)
        return cls([text.decode() for text in number], order, sets)


def _whole(network: Params, vocabulary: np.ndarray, rng: np.random.Generator) -> Params:
    """All parameters around an encoder."""
    head = dense.init(rng, network["word.E"].shape[1], 1)
    return named("encoder", network) | named("head", head) | {"vocabulary": vocabulary, "platt": np.array([1, 0], np.float32)}


def _packed(pieces: WordPieces) -> np.ndarray:
    """UTF-8, a piece a line."""
    return np.frombuffer("\n".join(pieces.pieces).encode(), np.uint8).copy()


def _trimmed(ids: np.ndarray, pad: int) -> np.ndarray:
    """Without the columns in which there is nothing but padding."""
    return ids[:, (ids != pad).any(0)]


def _hidden(ids: np.ndarray, pieces: WordPieces, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """ids with some pieces hidden, and where (bool of the same shape): MASKED of them, at least one a text that has any."""
    real = ~np.isin(ids, (pieces.pad, pieces.begin, pieces.end))
    chance = np.where(real, rng.random(ids.shape), 2)
    asked = real & ((chance < MASKED) | (chance == chance.min(1, keepdims=True)))
    how = rng.random(ids.shape)
    shown = np.where(how < HIDDEN + STRANGE, rng.integers(len(pieces), size=ids.shape), ids)
    shown = np.where(how < HIDDEN, pieces.mask, shown)
    return np.where(asked, shown, ids).astype(ids.dtype), asked


def _deck(items: np.ndarray, k: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """k items at a time (all, if there are fewer), without end; each once before any comes again."""
    k, order = min(k, len(items)), items[:0]
    while True:
        if len(order) < k:
            order = np.concatenate([order, rng.permutation(items)])
        yield order[:k]
        order = order[k:]


def _held_out(labels: np.ndarray) -> np.ndarray:
    """(B,) bool: the last fifth of each class; never the end of all, which in files sorted by label is of one class."""
    held = np.zeros(len(labels), bool)
    for label in (0, 1):
        there = np.flatnonzero(labels == label)
        held[there[len(there) - len(there) // HELD_OUT:]] = True
    return held


def _platt(z: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(2,) float32: slope and shift that make logits z log-odds, were both classes equally many; by Newton's method.

    Truths are off 0 and 1 as if half a window of the other class had been there too (Jeffreys' prior): where the classes
    part perfectly, the slope would have no end.
    """
    sums = np.array([max(weights[labels == label].sum(dtype=np.float64), 1) for label in (0, 1)])
    truth = np.where(labels == 1, 1 - 0.5 / (sums[0] + 0.5), 0.5 / (sums[1] + 0.5))
    w = weights / sums[labels]
    x = np.stack([z, np.ones_like(z)], 1).astype(np.float64)  # (B, 2)
    scale = np.array([max(float(z.std()), 1e-6), 1.0])
    x /= scale
    line = np.zeros(2)
    for _ in range(50):
        p = sigmoid(x @ line)
        gradient = x.T @ (w * (p - truth)) + 1e-4 * line
        hessian = x.T @ (x * np.maximum(w * p * (1 - p), 1e-9)[:, None]) + 1e-4 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        line = line - step * min(1, 2 / np.abs(step).max())  # no further than two at a time: it cannot run away
    return (line / scale).astype(np.float32)

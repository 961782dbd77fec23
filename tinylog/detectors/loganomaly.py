"""LogAnomaly (Meng et al., IJCAI 2019): what comes next, given what came and how often, in terms of what templates say.

    x_t = v(template of event t - 1)            template2vec: mean of word vectors, learned first, then frozen
    h_t = LSTM(x_0 ... x_t)                     the sequence; x_0 says that the session begins
    q_t = relu(b + C counts of events before t) the quantities; b, too, is for the beginning
    p_t = softmax(W [h_t, q_t] + b)             over the events and, in whole sessions, their END

    score = max over t of - log p_t(event t)    nats; it learns from normal windows alone

An event of no template's text has a learned row in the place of v. **An event that training never saw** is taken for the
known one whose template is nearest by cosine, if that is nearer than most training templates are to each other and does
not say the opposite; otherwise nothing expected it: NEW nats, at least. A window that is full may have lost its beginning, and one that
is cut from a stream has: its first `history` events are context only.

template2vec is skip-gram with negative sampling plus contrast, the mean cosine of antonyms minus that of synonyms
(embedding/contrast.py). The quantities go through one layer rather than an LSTM of their own: C times the running count
vector is a running sum of columns of C. The paper's figures: HDFS P .96 R .94 F1 .95, BGL P .97 R .94 F1 .96.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..embedding import template2vec
from ..embedding.template2vec import WordVectors
from ..embedding.words import words as words_of
from ..layers import dense, lookup, lstm
from ..layers.activations import log_softmax, relu, relu_backward
from ..layers.params import Params, add, named, part
from ..losses import cross_entropy, negative_sampling
from ..records import PAD, UNKNOWN, Reason, Windows
from . import Sizes

NEEDS = ("templates", "rules")
NEW = np.float32(-np.log(1e-9))  # nats of an event that nothing expected, at least
CHUNK = 1024  # windows scored at once, and at most CELLS probabilities: bounds memory
CELLS = 2 ** 24
SHOWN = 5  # expected events of a Reason


@dataclass(frozen=True)
class Config:
    width: int = 32  # D of word vectors
    span: int = 5  # words on either side that skip-gram looks at
    negatives: int = 5
    contrast: float = 1.0  # how much synonyms and antonyms count
    word_epochs: int = 30
    nearest: float = 0.9  # a cosine that a match has at least
    hidden: int = 64
    quantities: int = 64
    history: int = 10  # events that are context only, where the beginning is not known
    rules: bool = True  # add the evidence of rules.py
    factor: float = 1.0  # nats an evidence of 1 is worth
    steps: int = 600  # of the network's training, however many windows there are
    batch: int = 64
    lr: float = 0.006
    whole: bool = True  # of Sizes
    match: float = 2.0  # least cosine of a match; fit sets it


TINY = Config(width=6, word_epochs=3, hidden=8, quantities=6, steps=90, batch=32, lr=0.02)


class Steps(NamedTuple):
    """B windows as predictions: at each of S steps an event is read and the next one expected."""

    inputs: np.ndarray  # (B, S) intp, rows of the tables: PAD for the beginning, UNKNOWN where it is not known
    targets: np.ndarray  # (B, S) intp, events; PAD for END
    judged: np.ndarray  # (B, S) bool

    def take(self, index: np.ndarray) -> Steps:
        """The windows at `index`, as wide as the longest."""
        judged = self.judged[index]
        width = int(judged.any(0).nonzero()[0].max(initial=0)) + 1
        return Steps(self.inputs[index, :width], self.targets[index, :width], judged[:, :width])


class Detector:
    threshold = None

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @property
    def NEEDS(self) -> tuple[str, ...]:
        """Columns of Windows beside events."""
        return NEEDS[:1 + self.config.rules]

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values; it knows no words and has seen no event."""
        n, params = sizes.n_events, {}
        params |= named("table", lookup.init(rng, n, config.width))
        params |= named("counts", lookup.init(rng, n, config.quantities))
        params |= named("lstm", lstm.init(rng, config.width, config.hidden))
        params |= named("head", dense.init(rng, config.hidden + config.quantities, n))
        params |= {"seen": np.zeros(n, bool), "words.hash": np.zeros(0, np.uint32), "words.E": np.zeros((0, config.width), np.float32)}
        return cls(replace(config, whole=sizes.whole), params)

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any], rng: np.random.Generator) -> list[float]:
        """Learns words, then the next event, from normal windows; the losses of the latter. `rng` is for negative samples."""
        config, n = self.config, len(self.params["seen"])
        weights = np.ones(len(windows)) if windows.weights is None else windows.weights
        there = windows.mask & (windows.events < n)
        counts = np.bincount(windows.events[there], np.repeat(weights, there.sum(1)), n)
        texts = [_text(windows.tables["templates"], i) for i in range(n)]
        self.params["seen"] = counts > 0
        frozen = self._learn_words(texts, counts, minimise, rng)
        for name in ("table.E", "counts.E"):  # what never came says nothing
            self.params[name][UNKNOWN:][counts[UNKNOWN:] == 0] = 0
        steps = self._steps(windows, windows.events)
        trained = {name: array for name, array in self.params.items() if name.split(".")[0] in ("table", "counts", "lstm", "head")}

        def loss_and_grads(params: Params, index: np.ndarray) -> tuple[float, Params]:
            loss, grads = self.loss_and_grads(params, steps.take(index), weights[index])
            grads["table.E"][frozen] = 0
            return loss, grads

        return minimise(loss_and_grads, trained, len(windows), epochs=max(1, round(config.steps * config.batch / max(len(windows), 1))),
                        batch=config.batch, lr=config.lr, lengths=windows.lengths)

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: nats of the least expected event; with rules, their evidence added."""
        scores = self._surprise(windows).max(1, initial=0)
        return scores + np.float32(self.config.factor) * windows.rules.sum(1) if self.config.rules else scores

    def explain(self, windows: Windows, i: int) -> Reason:
        """The least expected event, or the END that nothing expected; what was expected, and the nearest of a never-seen one."""
        window = windows.take(slice(i, i + 1))
        events, length = window.events[0], int(window.lengths[0])
        surprise = self._surprise(window)[0]  # (T + 1,)
        step = int(surprise.argmax())
        share = surprise[:-1] + np.float32(1e-6)
        share[max(length - 1, 0)] += surprise[length]
        share = np.where(window.mask[0], share, 0)
        p = np.exp(self._log_p(self._steps(window, self._rows(window)[0]))[0, step])
        expected = tuple((int(event), float(p[event])) for event in np.argsort(-p, kind="stable")[:SHOWN])
        detail: dict[str, Any] = {"after": int(events[step - 1])} if step else {}
        if step >= length:
            return Reason("truncated", max(length - 1, 0), share / max(share.sum(), 1e-6), expected, detail)
        detail["came"] = int(events[step])
        row, cosine = (-1, 0.0) if self._seen(events[step]) else self._nearest(events[step], window)
        detail |= {"nearest": row, "cosine": round(cosine, 3)} if row >= 0 else {}
        return Reason("sequence", step, share / share.sum(), expected, detail)

    def loss_and_grads(self, params: Params, steps: Steps, weights: np.ndarray) -> tuple[float, Params]:
        """Mean cross-entropy of what is judged, a window's steps by its weight (B,), and its gradient."""
        x, x_cache = lookup.forward(steps.inputs, part(params, "table"))
        h, h_cache = lstm.forward(x, part(params, "lstm"))
        c, c_cache = lookup.forward(steps.inputs, part(params, "counts"))
        q = relu(c.cumsum(1))
        joined = np.concatenate([h, q], 2)
        y, y_cache = dense.forward(joined[steps.judged], part(params, "head"))
        each = np.repeat(weights, steps.judged.sum(1))
        loss, dy = cross_entropy.loss(y, steps.targets[steps.judged], each)
        djoined, H = np.zeros_like(joined), h.shape[2]
        djoined[steps.judged], head = dense.backward(dy, y_cache)
        # forward: q = relu(cumsum c)
        dc = relu_backward(djoined[..., H:], q)[:, ::-1].cumsum(1)[:, ::-1]
        dx, recurrent = lstm.backward(djoined[..., :H], h_cache)
        return loss, (named("head", head) | named("lstm", recurrent) | named("table", lookup.backward(dx, x_cache)[1])
                      | named("counts", lookup.backward(dc, c_cache)[1]))

    def _learn_words(self, texts: list[str], counts: np.ndarray, minimise: Callable, rng: np.random.Generator) -> np.ndarray:
        """Sets the words, the rows of events with a text and the least cosine of a match; (n,) which rows those are."""
        config, some = self.config, [i for i in np.flatnonzero(counts) if words_of(texts[i])]
        frozen = np.zeros(len(counts), bool)
        if not some:
            return frozen
        known = [texts[i] for i in some]
        lesson = template2vec.lesson(known, counts[some], config.span)
        E = lookup.init(rng, len(lesson.words), config.width)["E"]
        params = {"E": E, "C": np.zeros_like(E)}
        if len(lesson.pairs):
            minimise(lambda params, index: _skip_gram(params, lesson, index, config, rng), params, len(lesson.pairs),
                     epochs=config.word_epochs, batch=256, lr=0.01)
        words = WordVectors.of(lesson.words, params["E"], known)
        vectors = np.stack([words.vector(text)[0] for text in known])
        self.params |= {"words.hash": words.hashes, "words.E": words.E}
        self.params["table.E"][some] = vectors
        self.config = replace(config, match=template2vec.least_cosine(vectors, config.nearest))
        frozen[some] = True
        return frozen

    def _steps(self, windows: Windows, rows: np.ndarray) -> Steps:
        """Windows as predictions, given the rows of their events (B, T)."""
        (B, T), lengths, t = rows.shape, windows.lengths[:, None], np.arange(rows.shape[1] + 1)
        cut = (lengths == T) | (not self.config.whole)
        begins, ends = np.where(cut, UNKNOWN, PAD), np.full((B, 1), PAD)
        context = np.where(cut, np.minimum(self.config.history, lengths // 2), 0)
        last = np.where(lengths > 0, lengths - (not self.config.whole), -1)
        return Steps(np.concatenate([begins, rows], 1), np.concatenate([rows, ends], 1), (t >= context) & (t <= last))

    def _surprise(self, windows: Windows) -> np.ndarray:
        """(B, T + 1) float32: nats of each event and of END, 0 where it is not judged."""
        rows, strange = self._rows(windows)
        steps, order = self._steps(windows, rows), np.argsort(windows.lengths, kind="stable")
        surprise = np.zeros(steps.targets.shape, np.float32)
        chunk = min(CHUNK, max(1, CELLS // (surprise.shape[1] * len(self.params["seen"]))))
        for i in range(0, len(windows), chunk):
            index = order[i:i + chunk]
            some = steps.take(index)
            nats = -np.take_along_axis(self._log_p(some), some.targets[:, :, None], 2)[:, :, 0]
            surprise[index, :nats.shape[1]] = np.where(some.judged, nats, 0)
        surprise[:, :-1][strange] = np.maximum(surprise[:, :-1][strange], NEW)
        return surprise

    def _log_p(self, steps: Steps) -> np.ndarray:
        """(B, S, n) float32: of each event, PAD for END, at each step."""
        p = self.params
        h = lstm.infer(lookup.infer(steps.inputs, part(p, "table")), part(p, "lstm"))
        q = relu(lookup.infer(steps.inputs, part(p, "counts")).cumsum(1))
        return log_softmax(dense.infer(np.concatenate([h, q], 2), part(p, "head")))

    def _rows(self, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """(B, T) intp, the known event that each is or is taken for, UNKNOWN for none; and where it is none (B, T) bool."""
        kinds, inverse = np.unique(windows.events, return_inverse=True)
        rows = np.array([self._row(kind, windows) for kind in kinds], np.intp)[inverse].reshape(windows.events.shape)
        return rows, (rows == UNKNOWN) & ~((windows.events == UNKNOWN) & self.params["seen"][UNKNOWN])

    def _row(self, event: int, windows: Windows) -> int:
        if event == PAD or self._seen(event):
            return int(event)
        row, cosine = self._nearest(event, windows)
        return row if cosine >= self.config.match else UNKNOWN

    def _seen(self, event: int) -> bool:
        return event < len(self.params["seen"]) and bool(self.params["seen"][event])

    def _nearest(self, event: int, windows: Windows) -> tuple[int, float]:
        """The known event whose template is nearest, and the cosine; -1 where there is none."""
        templates = windows.tables["templates"]
        text = _text(templates, event)
        known = [i for i in np.flatnonzero(self.params["seen"]) if words_of(_text(templates, i))]
        if not known or not text:
            return -1, -1.0
        words = WordVectors(self.params["words.hash"], self.params["words.E"])
        found, cosine = words.nearest(text, [templates[i] for i in known], self.params["table.E"][known])
        return (int(known[found]) if found >= 0 else -1), cosine


def _skip_gram(params: Params, lesson: template2vec.Lesson, index: np.ndarray, config: Config,
               rng: np.random.Generator) -> tuple[float, Params]:
    """Loss and gradients of these pairs, and of all contrasts."""
    E, C = params["E"], params["C"]
    (a, b), V = lesson.pairs[index].T, len(E)
    others = rng.choice(V, (len(index), config.negatives), p=lesson.shares)
    x, y, z = E[a], C[b], C[others]
    negative = np.where(others == b[:, None], -np.inf, np.einsum("bd,bkd->bk", x, z)).astype(E.dtype)
    loss, (dpositive, dnegative) = negative_sampling.loss((x * y).sum(1), negative, lesson.weights[index])
    apart, dE = template2vec.contrast(E, lesson.contrasts, lesson.signs)
    dx = dpositive[:, None] * y + np.einsum("bk,bkd->bd", dnegative, z)
    dz = dnegative[:, :, None] * x[:, None]
    dE = config.contrast * dE + lookup.backward(dx, (a, {"E": E}))[1]["E"]
    dC = add(lookup.backward(dpositive[:, None] * x, (b, {"E": C}))[1], lookup.backward(dz, (others, {"E": C}))[1])["E"]
    return loss + config.contrast * apart, {"E": dE, "C": dC}


def _text(templates: np.ndarray, event: int) -> str:
    return str(templates[event]) if event < len(templates) else ""

"""DistilLog (Nguyen 2024): a recurrent network reads the events of a window, attention weighs them, two logits result.

    x_t = E[event t]              a row of a learned table, or the vector of the event's template, or tanh(u / 2) where
                                  u = c + sum of +-E[word] over the words of the template (layers/bag.py)
    h_1 ... h_T = GRU(x)          one or more layers, padded steps masked
    s = sum over t of a_t h_t     additive attention; the plain mean where attention = 0, as it was published
    logits = W [s, h_T, log(1 + counts), rules, 2 P - 1] + b      as much of it as the Config asks for; P is the
                                  noisy-or over the events of the first column of u (layers/noisy_or.py)

    score = logits[1] - logits[0] + log-odds of the prior - log-odds of the training share

Teacher and student are this class with two Configs. As published they have 160,770 and 442 numbers; ours have a table
and attention that learns. The log-counts and the evidence of rules.py are what four units cannot keep: how often each
event occurred, and whether that was ever normal. Training with a teacher is in training/distil.py.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..layers import attention, bag, dense, gru, lookup, noisy_or, pooling
from ..layers.activations import tanh_backward
from ..layers.params import Params, named, part
from ..losses import cross_entropy, distillation
from ..records import PAD, UNKNOWN, Reason, Windows
from . import Sizes
from .rules import NAMES

CHUNK = 16384  # states of one step computed at once: bounds memory, 50 steps of them are 3 MiB
SCALE = 4.0  # the evidence of rules divided by it is about as large as states: the head's decay is fair to both


@dataclass(frozen=True)
class Config:
    inputs: str = "table"  # "table": learned, a row an event; "words": a row a bucket; "vectors": given, see NEEDS
    width: int = 6  # D of the table; that of the vectors comes with Sizes
    buckets: int = 1600  # rows of the table of words
    hidden: int = 4
    layers: int = 1
    attention: int = 2  # units; 0 is mean pooling
    last: bool = True  # the last state too
    counts: bool = False  # log(1 + how often) of each event
    rules: bool = True  # Windows.rules
    noisy_or: bool = False  # needs inputs "words"
    masked: bool = True  # padding is skipped; published: it is events like others
    dropout: float = 0.0  # between layers, while training
    prior: float = 0.02  # share of anomalous windows in what will be scored
    trained_prior: float = 0.5  # that share in what it was trained on; fit sets it


TINY = Config(width=2, hidden=2, attention=1)
STUDENT = Config()
TEACHER = Config(width=30, hidden=128, layers=2, attention=32, last=False, dropout=0.1)
PUBLISHED_STUDENT = Config(inputs="vectors", attention=0, last=False, rules=False, masked=False)
PUBLISHED_TEACHER = replace(PUBLISHED_STUDENT, hidden=128, layers=2, dropout=0.1)


class Detector:
    threshold = None  # of best F1 where both kinds are known; see training/student.py

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @property
    def NEEDS(self) -> tuple[str, ...]:
        """Columns of Windows beside events."""
        return ("rules",) * self.config.rules + (self.config.inputs,) * (self.config.inputs in ("vectors", "words"))

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values. A table has a row for UNKNOWN and each known event. ConfigError for unknown `inputs`."""
        if config.inputs not in ("table", "vectors", "words"):
            raise ConfigError(f"distillog has no inputs {config.inputs!r}; there are: table, vectors, words")
        H, kinds, params = config.hidden, sizes.n_events - 1, {}
        if config.inputs == "table":
            params |= named("table", lookup.init(rng, kinds, config.width))
            params["table.E"][0] = 0  # UNKNOWN may never occur in training: it says nothing then
        if config.inputs == "words":
            params |= named("table", bag.init(rng, config.buckets, config.width))
        D = sizes.n_inputs if config.inputs == "vectors" else config.width
        params |= named("gru", gru.init(rng, D, H, config.layers))
        if config.attention:
            params |= named("attention", attention.init(rng, H, config.attention))
        states, side = H * (1 + config.last), kinds * config.counts + len(NAMES) * config.rules + config.noisy_or
        head = dense.init(rng, states, 2)
        head["W"] = np.concatenate([head["W"], np.zeros((2, side), np.float32)], 1)
        return cls(config, params | named("head", head))

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Learns from labels alone; `rng` is for dropout. Windows.rules must be `evidence_left_out`, not `evidence`."""
        self.config = replace(self.config, trained_prior=anomalous_share(windows))
        return minimise(lambda params, index: self.loss_and_grads(params, windows.take(index), rng=rng),
                        self.params, len(windows))

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32 log-odds that a window is anomalous, where `prior` of them are."""
        logits = self.logits(windows)
        return logits[:, 1] - logits[:, 0] + np.float32(self.shift)

    @property
    def shift(self) -> float:
        """From the log-odds of training to those of what will be scored."""
        return sum(sign * log(share / (1 - share)) for sign, share in ((1, self.config.prior), (-1, self.config.trained_prior)))

    def logits(self, windows: Windows) -> np.ndarray:
        """(B, 2) float32, normal and anomalous, as training had them: without the prior."""
        return dense.infer(self.features(windows), part(self.params, "head"))

    def explain(self, windows: Windows, i: int) -> Reason:
        """The share of attention that each event of window i had."""
        window, T = windows.take(slice(i, i + 1)), windows.events.shape[1]
        h, _ = self._states(window)
        if self.config.attention:
            share = attention.shares(h, part(self.params, "attention"), self._mask(window))[0]
        else:
            share = window.mask[0] / max(window.mask.sum(), 1)
        return Reason("sequence", int(share.argmax()), share.astype(np.float32).reshape(T))

    def loss_and_grads(self, params: Params, windows: Windows, teacher: np.ndarray | None = None, *, alpha: float = 0.3,
                       temperature: float = 7.0, rng: np.random.Generator | None = None) -> tuple[float, Params]:
        """The loss of these windows and its gradient; `rng` is for dropout, None: no dropout."""
        y, caches = self._forward(params, windows, rng)
        loss, dy = loss_of(y, windows, teacher, alpha, temperature)
        return loss, self._backward(dy, caches)

    def features(self, windows: Windows) -> np.ndarray:
        """(B, F) float32: what the head sees, in the order of its weights."""
        order = np.arange(len(windows))
        if self.config.masked:  # windows of like length together: few steps that are padding alone
            order = np.argsort(-windows.lengths, kind="stable")
        W = self.params["head.W"]
        found = np.empty((len(windows), W.shape[1]), W.dtype)
        size = max(CHUNK // self.config.hidden, 256)
        for i in range(0, len(windows), size):
            some = order[i:i + size]
            found[some] = self._infer(windows.take(some))
        return found

    def _forward(self, params: Params, windows: Windows, rng: np.random.Generator | None) -> tuple[np.ndarray, tuple]:
        """Logits (B, 2), and what backward needs."""
        mask = self._mask(windows)
        x, alarm, x_cache = self._inputs(params, windows)
        h, h_cache = gru.forward(x, part(params, "gru"), mask, self.config.dropout if rng is not None else 0.0, rng)
        if self.config.attention:
            s, s_cache = attention.forward(h, part(params, "attention"), mask)
        else:
            s, s_cache = pooling.forward(h, mask)
        y, y_cache = dense.forward(self._joined(s, h, windows, alarm), part(params, "head"))
        return y, (x_cache, h_cache, s_cache, y_cache, h.shape)

    def _backward(self, dy: np.ndarray, caches: tuple) -> Params:
        """Gradients of all parameters."""
        x_cache, h_cache, s_cache, y_cache, (B, T, H) = caches
        djoined, head = dense.backward(dy, y_cache)
        grads = named("head", head)
        # forward: joined = [s, h_T, ...]
        if self.config.attention:
            dh, g = attention.backward(djoined[:, :H], s_cache)
            grads |= named("attention", g)
        else:
            dh = pooling.backward(djoined[:, :H], s_cache)
        if self.config.last:
            dh[:, -1] += djoined[:, H:2 * H]
        dx, g = gru.backward(dh, h_cache)
        grads |= named("gru", g)
        return grads | self._inputs_backward(dx, djoined[:, -1], x_cache)

    def _infer(self, windows: Windows) -> np.ndarray:
        """Features (B, F) of windows that are few enough to be computed at once."""
        mask = self._mask(windows)
        h, alarm = self._states(windows)
        s = attention.infer(h, part(self.params, "attention"), mask) if self.config.attention else pooling.infer(h, mask)
        return self._joined(s, h, windows, alarm)

    def _states(self, windows: Windows) -> tuple[np.ndarray, np.ndarray | None]:
        """All states (B, T, H), and the noisy-or (B,) or None. The inputs are rows of a table, so that the GRU multiplies it, not them."""
        rows, E, u = self.table(windows)
        h = gru.infer_rows(rows, E, part(self.params, "gru"), self._mask(windows))
        return h, noisy_or.infer(u[:, 0], windows.events, windows.mask) if self.config.noisy_or else None

    def table(self, windows: Windows) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Which row each event is (B, T), the rows (n, D), and, where they are of words, what they were before tanh."""
        if self.config.inputs == "vectors":
            return windows.events, windows.tables["vectors"].astype(self.params["head.b"].dtype, copy=False), None
        if self.config.inputs == "table":
            return self.rows(windows), self.params["table.E"], None
        u = bag.infer(windows.tables["words"], part(self.params, "table"))
        return windows.events, np.tanh(0.5 * u), u

    def _inputs(self, params: Params, windows: Windows) -> tuple[np.ndarray, np.ndarray | None, Any]:
        """x (B, T, D), the noisy-or (B,) or None, and what backward needs."""
        if self.config.inputs == "vectors":
            return windows.tables["vectors"][windows.events].astype(params["head.b"].dtype, copy=False), None, None
        if self.config.inputs == "table":
            x, x_cache = lookup.forward(self.rows(windows), part(params, "table"))
            return x, None, x_cache
        u, u_cache = bag.forward(windows.tables["words"], part(params, "table"))  # (n, D)
        v = np.tanh(0.5 * u)
        x, x_cache = lookup.forward(windows.events, {"E": v})
        if not self.config.noisy_or:
            return x, None, (u_cache, v, x_cache, None)
        alarm, alarm_cache = noisy_or.forward(u[:, 0], windows.events, windows.mask)
        return x, alarm, (u_cache, v, x_cache, alarm_cache)

    def _inputs_backward(self, dx: np.ndarray, dalarm: np.ndarray, cache: Any) -> Params:
        """Gradients of the table; dalarm (B,) where there is a noisy-or."""
        if self.config.inputs == "vectors":
            return {}
        if self.config.inputs == "table":
            return named("table", lookup.backward(dx, cache)[1])
        u_cache, v, x_cache, alarm_cache = cache
        # forward: v = tanh(u / 2)
        du = 0.5 * tanh_backward(lookup.backward(dx, x_cache)[1]["E"], v)
        if self.config.noisy_or:
            du[:, 0] += noisy_or.backward(dalarm, alarm_cache)
        return named("table", bag.backward(du, u_cache)[1])

    def _joined(self, s: np.ndarray, h: np.ndarray, windows: Windows, alarm: np.ndarray | None) -> np.ndarray:
        """(B, F): all that the head sees, in the order of its weights."""
        columns = [s] + [h[:, -1]] * self.config.last
        if self.config.counts:
            columns.append(np.log1p(self._counts(windows)))
        if self.config.rules:
            columns.append(windows.rules / SCALE)
        if alarm is not None:
            columns.append(alarm[:, None])
        return np.concatenate(columns, 1, dtype=s.dtype)

    def _counts(self, windows: Windows) -> np.ndarray:
        """(B, n_events - 1): how often each event occurs, UNKNOWN and all that were never seen in training first."""
        B, kinds = len(windows), self._kinds()
        cells = np.arange(B)[:, None] * kinds + self.rows(windows)
        return np.bincount(cells[windows.mask], minlength=B * kinds).reshape(B, kinds)

    def rows(self, windows: Windows) -> np.ndarray:
        """(B, T): which row of the table is each event's; PAD, masked, shares that of UNKNOWN."""
        return np.where((windows.events == PAD) | (windows.events > self._kinds()), UNKNOWN, windows.events) - 1

    def _kinds(self) -> int:
        """How many events are known, UNKNOWN one of them."""
        if self.config.inputs == "table":
            return len(self.params["table.E"])
        config = self.config
        others = config.hidden * (1 + config.last) + len(NAMES) * config.rules + config.noisy_or
        return self.params["head.W"].shape[1] - others

    def _mask(self, windows: Windows) -> np.ndarray | None:
        return windows.mask if self.config.masked else None


def loss_of(y: np.ndarray, windows: Windows, teacher: np.ndarray | None, alpha: float,
            temperature: float) -> tuple[float, np.ndarray]:
    """Of logits y (B, 2), the loss and dy: cross-entropy with the labels or, given a teacher's logits, distillation.

    A window without a label (-1) has its teacher alone to learn from.
    """
    if teacher is None:
        return cross_entropy.loss(y, windows.labels, windows.weights)
    known = windows.labels >= 0
    return distillation.loss(y, np.where(known, windows.labels, 0), teacher, windows.weights,
                             alpha=np.where(known, alpha, 0), temperature=temperature)


def anomalous_share(windows: Windows) -> float:
    """Share of anomalous ones among the windows with a label, by weight; kept off 0 and 1 so that it has log-odds."""
    weights = np.ones(len(windows)) if windows.weights is None else windows.weights
    normal, anomalous = (weights[windows.labels == label].sum(dtype=np.float64) for label in (0, 1))
    return float((anomalous + 0.5) / (normal + anomalous + 1))

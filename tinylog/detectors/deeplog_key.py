"""DeepLog's key model (Du 2017): a recurrent network that read normal windows expects each next event, and is surprised.

    x_t = E[event t - 1]          a learned table, or one-hot; before the first event the row of PAD: START
    h_1 ... h_n+1 = LSTM(x)       two layers of 64
    p_t = softmax(W h_t + b)      what comes next: UNKNOWN, each event, and PAD for the END of a whole session

    score = max over t of - log p_t(event t), in nats, + factor * sum of the evidence of rules.py
    score = the worst rank of an event       with `top`: alert above rank g, as published

The paper reads a history of h = 10 events for each prediction. Here the state is carried through the window: one step an event
rather than ten, and no session is too short: the forks flag all those of less than h + 1 events, whatever they hold (SPECS
section 4.7). START and END are symbols, so a truncated session is found because its end was not expected. A window that may
have been cut has no START: its first h events are only read. Events that training has not are UNKNOWN, with p at most 1e-9.

The network knows what may follow what; the evidence, which sets of events belong together over a whole session: each finds what
the other does not.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError
from ..layers import dense, lookup, lstm
from ..layers.activations import log_softmax
from ..layers.params import Params, named, part
from ..losses import cross_entropy
from ..records import FIRST_EVENT, PAD, UNKNOWN, Reason, Windows, concatenated
from . import Sizes

NEEDS = ("rules",)
CHUNK = 256  # windows scored at once: bounds memory, and one step of them stays in the cache
LEAST = np.float32(20.7)  # nats of surprise that an event without a row is, at least: p = 1e-9
EXPECTED = 5  # events that an explanation names
UPDATES, REPLAYED, UPDATE_LR = 30, 64, 2e-3  # of `learn`: steps, old windows in each, learning rate


@dataclass(frozen=True)
class Config:
    inputs: str = "table"  # or "one-hot"
    width: int = 16  # D of the table
    hidden: int = 64
    layers: int = 2
    history: int = 10  # events read before the first prediction, where a window has no certain beginning
    top: int = 0  # g: an event among the g likeliest is normal; 0: judged by its probability
    rules: bool = True  # add the evidence, unless `top`
    factor: float = 4.0  # nats that an evidence of 1 is worth; chosen on the labelled files robust_log_*
    whole: bool = True  # windows are whole sessions; `create` takes it from Sizes
    steps: int = 520  # of training, in whole passes, at least one
    batch: int = 64
    lr: float = 0.005


TINY = Config(width=4, hidden=8, layers=1, history=2, steps=80, batch=32, lr=0.02)


class Steps(NamedTuple):
    """Windows as the network meets them, one place more than they have events."""

    symbols: np.ndarray  # (B, T + 1) int: what is read before each place
    targets: np.ndarray  # (B, T + 1) int: what comes there, PAD for the end
    judged: np.ndarray  # (B, T + 1) bool
    new: np.ndarray  # (B, T + 1) bool: events that training had not
    mask: np.ndarray  # (B, T + 1) bool: where something is read


class Detector:
    CELL = lstm  # the recurrent layer

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @property
    def NEEDS(self) -> tuple[str, ...]:
        """Columns of Windows beside events."""
        return ("rules",) * (self.config.rules and not self.config.top)

    @property
    def threshold(self) -> float | None:
        """g of `top`; else training chooses."""
        return float(self.config.top) if self.config.top else None

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values, a row for each of PAD, UNKNOWN and the known events. ConfigError for unknown `inputs`."""
        if config.inputs not in ("table", "one-hot"):
            raise ConfigError(f"{cls.__module__.rpartition('.')[2]} has no inputs {config.inputs!r}; there are: table, one-hot")
        n, params = sizes.n_events, {"counts": np.zeros(sizes.n_events, np.uint32)}
        if config.inputs == "table":
            params |= named("table", lookup.init(rng, n, config.width))
            params["table.E"][UNKNOWN] = 0  # it may never occur in training: it says nothing then
        D = config.width if config.inputs == "table" else n
        params |= named("cell", cls.CELL.init(rng, D, config.hidden, config.layers)) | named("head", dense.init(rng, config.hidden, n))
        return cls(replace(config, whole=sizes.whole), params)

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Learns to expect what normal windows hold. Gives the mean cross-entropy of each epoch, in nats."""
        self._count(windows)
        windows = replace(windows, weights=_weights(windows) / _weights(windows).mean())
        return minimise(lambda params, index: self.loss_and_grads(params, windows.take(index)), self.params, len(windows),
                        **self._wishes(windows))

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: nats of the greatest surprise and the evidence, or the worst rank."""
        scores, by_length = np.empty(len(windows), np.float32), np.argsort(windows.lengths, kind="stable")  # hardly any padding
        for chunk in (by_length[i:i + CHUNK] for i in range(0, len(windows), CHUNK)):
            scores[chunk] = self._worst(windows.take(chunk))
        return scores + np.float32(self.config.factor) * windows.rules.sum(1) if self.NEEDS else scores

    def log_p(self, windows: Windows) -> np.ndarray:
        """(B, T + 1, n_events) float32: log-probability of what comes at each place, PAD for the end; behind it, of no meaning."""
        steps = self._steps(windows)
        h = self.CELL.infer(self._inputs(self.params, steps.symbols)[0], part(self.params, "cell"), steps.mask)
        return log_softmax(dense.infer(h, part(self.params, "head")))

    def surprises(self, windows: Windows, log_p: np.ndarray | None = None) -> np.ndarray:
        """(B, T + 1) float32: nats of each event, and of the end behind the last; 0 where nothing is judged. log_p: its own, if known."""
        steps = self._steps(windows)
        log_p = self.log_p(windows) if log_p is None else log_p
        surprise = -np.take_along_axis(log_p, steps.targets[:, :, None], 2)[:, :, 0]
        return np.where(steps.new, np.maximum(surprise, LEAST), surprise) * steps.judged

    def explain(self, windows: Windows, i: int) -> Reason:
        """The most surprising event of window i, what came before it, and which ones were expected there.

        detail: "after" and "came" are event ids, 0 for the start and the end; "p" is the probability of what came.
        """
        window = windows.take(slice(i, i + 1))
        log_p, n = self.log_p(window)[0], int(window.lengths[0])
        surprise = self.surprises(window, log_p[None])[0]
        place = int(surprise.argmax())
        share = surprise[:-1] * window.mask[0]
        share[max(n - 1, 0):n] += surprise[n]  # the end counts for the last event
        share = share / share.sum() if share.sum() > 0 else window.mask[0] / max(n, 1)
        p, events = np.exp(log_p[place].astype(np.float64)), window.events[0]
        expected = tuple((int(event), float(p[event])) for event in np.argsort(-p) if event != UNKNOWN and p[event] >= 0.001)
        detail = {"after": int(events[place - 1]) if place else 0, "came": int(events[place]) if place < n else 0,
                  "p": float(np.exp(-surprise[place].astype(np.float64)))}
        return Reason("truncated" if place == n else "sequence", min(place, max(n - 1, 0)), share.astype(np.float32),
                      expected[:EXPECTED], detail)

    def grown(self, n_events: int) -> Detector:
        """One for event ids below `n_events`: a new event reads like the mean one, and is as likely as one that came half a time."""
        p, n = dict(self.params), len(self.params["counts"])
        p["head.W"] = _with_mean_rows(p["head.W"], n_events)
        if self.config.inputs == "table":
            p["table.E"] = _with_mean_rows(p["table.E"], n_events)
        else:
            p["cell.0.W"] = np.ascontiguousarray(_with_mean_rows(p["cell.0.W"].T, n_events).T)
        share = 0.5 / (p["counts"].sum() + 0.5 * n_events)
        bias = np.log(np.exp(p["head.b"]).sum() * share)
        p["head.b"] = np.append(p["head.b"], np.full(n_events - n, bias, np.float32))
        p["counts"] = np.append(p["counts"], np.zeros(n_events - n, np.uint32))
        return type(self)(self.config, p)

    def learn(self, windows: Windows, old: Windows, minimise: Callable, rng: np.random.Generator) -> list[float]:
        """False alarms become expected: UPDATES small steps, each on `windows` and on as much weight of old ones, which stay expected.

        Event ids of both are below n_events, see `grown`. Gives the loss of each step.
        """
        chance = _weights(old) / _weights(old).sum()

        def loss_and_grads(params: Params, index: np.ndarray) -> tuple[float, Params]:
            new = windows.events[index]
            replayed = old.events[rng.choice(len(old), REPLAYED, p=chance)]
            parts = [Windows(events, weights=np.full(len(events), 1 / len(events), np.float32)) for events in (new, replayed)]
            return self.loss_and_grads(params, concatenated(parts))

        self._count(windows, self.params["counts"])
        return minimise(loss_and_grads, self.params, len(windows), epochs=UPDATES, batch=len(windows), lr=UPDATE_LR)

    def loss_and_grads(self, params: Params, windows: Windows) -> tuple[float, Params]:
        """Mean cross-entropy of the places that are judged, in nats, and its gradient."""
        steps = self._steps(windows)
        y, caches = self._forward(params, steps)
        weights = _of_places(windows, steps)
        loss, dy = cross_entropy.loss(y, steps.targets[steps.judged], weights)
        scale = weights.mean()  # the loss divides by their sum; a batch of rare windows is not to count like one of frequent ones
        return float(loss * scale), self._backward(dy * scale, caches)

    def _forward(self, params: Params, steps: Steps) -> tuple[np.ndarray, Any]:
        """Logits (N, n_events) of the places that are judged, and what backward needs."""
        x, x_cache = self._inputs(params, steps.symbols)
        h, h_cache = self.CELL.forward(x, part(params, "cell"), steps.mask)
        y, y_cache = dense.forward(h[steps.judged], part(params, "head"))
        return y, (x_cache, h_cache, y_cache, steps.judged)

    def _backward(self, dy: np.ndarray, caches: Any) -> Params:
        x_cache, h_cache, y_cache, judged = caches
        judged_dh, head = dense.backward(dy, y_cache)
        dh = np.zeros((*judged.shape, judged_dh.shape[1]), dy.dtype)
        dh[judged] = judged_dh
        dx, cells = self.CELL.backward(dh, h_cache)
        grads = named("cell", cells) | named("head", head)
        return grads if x_cache is None else grads | named("table", lookup.backward(dx, x_cache)[1])

    def _inputs(self, params: Params, symbols: np.ndarray) -> tuple[np.ndarray, Any]:
        """x (B, T + 1, D), and what the table needs to go backward, None where there is none."""
        if self.config.inputs == "table":
            return lookup.forward(symbols, part(params, "table"))
        return np.eye(len(params["head.b"]), dtype=params["head.b"].dtype)[symbols], None

    def _steps(self, windows: Windows) -> Steps:
        known, (B, T), n = self.params["counts"], windows.events.shape, windows.lengths[:, None]
        events = np.where(windows.events < len(known), windows.events, UNKNOWN)
        new = (windows.events >= len(known)) | (events == UNKNOWN) & (known[UNKNOWN] == 0)
        cut = (n == T) | (not self.config.whole)
        first = np.where(cut, np.minimum(self.config.history, np.maximum(n - 1, 0)), 0)
        place = np.arange(T + 1)
        return Steps(np.concatenate([np.where(cut, UNKNOWN, PAD), events], 1),
                     np.concatenate([events, np.full((B, 1), PAD, events.dtype)], 1),
                     (first <= place) & (place < n + self.config.whole), np.pad(new, ((0, 0), (0, 1))), place <= n)

    def _worst(self, windows: Windows) -> np.ndarray:
        """(B,) of few windows: the greatest surprise, or the worst rank."""
        if not self.config.top:
            return self.surprises(windows).max(1)
        steps, log_p = self._steps(windows), self.log_p(windows)
        own = np.take_along_axis(log_p, steps.targets[:, :, None], 2)
        rank = 1 + np.where(steps.new, log_p.shape[2], (log_p > own).sum(2))
        return (rank * steps.judged).max(1).astype(np.float32)

    def _wishes(self, windows: Windows) -> dict[str, Any]:
        """How `minimise` is to train on the windows."""
        config = self.config
        epochs = max(1, round(config.steps * config.batch / max(len(windows), 1)))
        return {"epochs": epochs, "batch": config.batch, "lr": config.lr, "lengths": windows.lengths}

    def _count(self, windows: Windows, before: np.ndarray | int = 0) -> None:
        """How often each event was there to be expected: which ones are new, and how likely a newcomer is."""
        steps, n = self._steps(windows), len(self.params["counts"])
        counts = np.bincount(steps.targets[steps.judged], _of_places(windows, steps), n)
        self.params["counts"] = np.rint(before + counts).astype(np.uint32)


def _weights(windows: Windows) -> np.ndarray:
    return np.ones(len(windows), np.float32) if windows.weights is None else windows.weights


def _of_places(windows: Windows, steps: Steps) -> np.ndarray:
    """(N,): of each place that is judged, the weight of its window."""
    return np.broadcast_to(_weights(windows)[:, None], steps.judged.shape)[steps.judged]


def _with_mean_rows(rows: np.ndarray, n: int) -> np.ndarray:
    """n rows: the new ones are the mean of the events'."""
    mean = rows[FIRST_EVENT:].mean(0, keepdims=True)
    return np.concatenate([rows, np.repeat(mean, n - len(rows), axis=0)])

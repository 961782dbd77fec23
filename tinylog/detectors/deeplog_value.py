"""DeepLog's model of parameter values (Du 2017, section 3.2): what is new in a line that is no new event is its numbers.

    v = [s(seconds since the event before), s(parameter 1), ..., s(parameter V)]      s(x) = sign(x) log(1 + |x|)
    z = (v - median) / (1.4826 median |v - median|)       by kind and column; the plain deviation where that is 0
    z ~ W [h, e] + b + g * (z of the last entry)
    h = LSTM([z, 1, e] of the last `history` entries of the template in the window, zeros in front)
    deviation of a column = |error - middle| / how far the error may be above, or below, the middle
    score of a window = the largest deviation over its events and columns; 1 is at the bound, so the threshold is 1

A kind is a template, and whether the window has had it before: an event that opens a step follows a pause, the same
event once more follows at once. In the paper every template has a network, and its history is the stream. Here one
network learns a row [g, e] for each template, so that 300 of them are 4,000 numbers instead of millions; g is how much of
the last entry comes again, which few units cannot carry over exactly (the size of a block, said by each of its copies). And
the history is what the window itself has of the template, the paper's is the stream: a score depends on its window alone.

`robust` False is the paper: errors of a column are Gaussian on held-out windows, `interval` of them are within the
bounds, column by column. A window with fifty numbers is then outside somewhere far oftener than 1 - interval. `robust`
True counts windows: a column's bound is where its share of 1 - interval is beyond, read off a tail fitted to its errors
(peaks over a threshold, as Siffer 2017), and one factor then makes it `interval` of the held-out windows that are within
all of their bounds (split conformal prediction, Papadopoulos 2002). Held out is one window in `held_out`, at equal distances.

Few tokens in a column and none of them new in held-out windows: a category. Its numbers are not predicted, but a token
never seen is a deviation of NOVEL. Constant numbers and columns with fewer than `least` entries are not judged; elapsed
times are then, by those of all events together, and so are those before events that training did not have.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from ..layers import dense, lookup, lstm
from ..layers.params import Params, named, part
from ..losses import squared_error
from ..records import UNKNOWN, VALUES, Reason, Windows
from . import Sizes

NEEDS = ("times", "values", "tokens")
COLUMNS = 1 + VALUES  # of v
FIGURES = ("centre", "scale", "middle", "below", "above")  # of each kind and column that is judged by its number
NOVEL = 2.0  # deviation of a token that its category has not
CHUNK = 1024  # windows scored at once: bounds memory
FARTHEST = 8.0  # what the network sees and learns of z: one wild number must not decide what it learns
FINEST = 0.1  # of a bound, in z: what was always hit exactly may still be a little off
OFTEN = 5  # entries for each token of a category, on average
TAIL = 0.1  # share of the errors on one side that its tail is fitted to
FEW = 30  # numbers that have as much to say on the shape of their tail as what is usual
ANY = 2 * UNKNOWN  # the kind of all events
NEVER = 1e9  # a bound that nothing reaches
IDENTIFIER = 1e15  # a number beyond it is a name


@dataclass(frozen=True)
class Config:
    history: int = 5
    hidden: int = 16
    width: int = 4  # of a template's row
    interval: float = 0.999
    robust: bool = True
    least: int = 50  # entries of a column
    kinds: int = 20  # of tokens in a category, at most
    held_out: int = 5  # one window in so many
    most: int = 100_000  # entries to learn from; of more they are drawn
    epochs: int = 10
    batch: int = 256
    lr: float = 0.02


TINY = Config(history=3, hidden=4, width=2, least=20)


class Detector:
    NEEDS = NEEDS
    threshold = 1.0

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values of the network; no column is judged yet."""
        H, E = config.hidden, config.width
        params = named("template", lookup.init(rng, sizes.n_events, COLUMNS + E)) | named("lstm", lstm.init(rng, COLUMNS + 1 + E, H))
        params |= named("head", dense.init(rng, H + E, COLUMNS))
        params["template.E"][:, :COLUMNS] = 0
        params |= {"judged.column": np.zeros(0, np.int32), "judged.figures": np.zeros((len(FIGURES), 0), np.float32)}
        return cls(config, params | {"known.column": np.zeros(0, np.int32), "known.token": np.zeros(0, np.uint32)})

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Learns from normal windows in the order of the log; `rng` draws the entries where there are too many."""
        config, p = self.config, self.params
        entries = self._entries(windows)
        held = entries.window % config.held_out == config.held_out - 1
        self._fit_categories(entries, held)
        self._fit_scales(entries, held)
        z = self._standardised(entries)
        chosen = np.flatnonzero(~held & ~np.isnan(z).all(1))
        if len(chosen) > config.most:
            chosen = (rng or np.random.default_rng(0)).choice(chosen, config.most, replace=False)
        if not len(chosen):
            return []
        network = {name: array for name, array in p.items() if name.partition(".")[0] in ("template", "lstm", "head")}
        losses = minimise(lambda params, index: self.loss_and_grads(params, entries, z, chosen[index]), network, len(chosen),
                          epochs=config.epochs, batch=config.batch, lr=config.lr)
        p |= network
        self._fit_bounds(entries, z - self._predicted(entries, z), held)
        if config.robust:
            self._widen_bounds(self.score(windows.take(slice(config.held_out - 1, None, config.held_out))))
        return losses

    def keep_steady(self, windows: Windows, share: float) -> None:
        """Judges no longer what deviates in more than this share of a column's entries in normal windows of a later time: it drifts."""
        p, entries = self.params, self._entries(windows)
        deviations, own = self._deviations(entries)[0], self._figures()[1]
        column = np.arange(COLUMNS)
        numbers = np.where(own[entries.kind] | (column > 0), entries.kind[:, None], ANY) * COLUMNS + column
        for name, columns in (("judged", numbers), ("known", entries.event[:, None] * COLUMNS + column)):
            n = np.bincount(columns[deviations > 0], minlength=1)
            beyond = np.bincount(columns[deviations > 1], minlength=len(n))
            kept = ~np.isin(p[f"{name}.column"], np.flatnonzero(beyond > share * n))
            p |= {key: array[..., kept] for key, array in p.items() if key.startswith(name)}

    def judge_delays_within(self, seconds: float) -> None:
        """Judges no longer elapsed times that may be longer than this, as too few of them were seen to their end; of the others, only
        what is too long: sooner than usual is no harm.
        """
        p = self.params
        delay = p["judged.column"] % COLUMNS == 0
        centre, scale, middle, _, above = p["judged.figures"]
        kept = ~delay | (centre + scale * (middle + above) < np.log1p(seconds))
        p |= {"judged.column": p["judged.column"][kept], "judged.figures": p["judged.figures"][:, kept]}
        p["judged.figures"][FIGURES.index("below"), delay[kept]] = NEVER

    @property
    def valued(self) -> list[int]:
        """The events of whose parameters any is judged; those of others need not be read."""
        numbers, tokens = self.params["judged.column"], self.params["known.column"]
        events = [numbers[numbers % COLUMNS > 0] // COLUMNS // 2, tokens // COLUMNS]
        return np.unique(np.concatenate(events)).tolist()

    @property
    def judges(self) -> bool:
        """Whether there is anything left that it judges."""
        return bool(len(self.params["judged.column"]) or len(self.params["known.column"]))

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: the largest deviation of each window, 0 where there is nothing to judge."""
        score = np.zeros(len(windows), np.float32)
        for i in range(0, len(windows), CHUNK):
            entries = self._entries(windows.take(slice(i, i + CHUNK)))
            np.maximum.at(score, i + entries.window, self._deviations(entries)[0].max(1))
        return score

    def explain(self, windows: Windows, i: int) -> Reason:
        """The event and the parameter of window i that deviate most, and the range in which a normal one would have been.

        detail: "parameter" is "elapsed time", or "<*> 2" for what stands at the second <*>; "value", "low" and "high" in the
        unit of the log, the value only where it is a number; of a category "known", how many it has, in the place of a range.
        """
        window, T = windows.take(slice(i, i + 1)), windows.events.shape[1]
        entries = self._entries(window)
        deviations, predicted = self._deviations(entries)
        each = np.zeros(T, np.float32)
        each[entries.position] = deviations.max(1)
        if not each.any():
            return Reason("value", 0, (window.mask[0] / max(window.mask.sum(), 1)).astype(np.float32))
        at, column = divmod(int(deviations.argmax()), COLUMNS)
        detail: dict[str, Any] = {"parameter": f"<*> {column}" if column else "elapsed time"}
        if not np.isnan(entries.v[at, column]):
            detail["value"] = _plain(entries.v[at, column])
        centre, scale, middle, below, above = self._figures()[0][:, entries.kind[at], column]
        if scale > 0:
            expected = predicted[at, column] + middle
            low, high = (_plain(centre + scale * z) for z in (expected - below, expected + above))
            detail |= {"low": low if column else max(low, 0.0), "high": high}
        else:
            detail["known"] = int((self.params["known.column"] == entries.event[at] * COLUMNS + column).sum())
        return Reason("value", int(entries.position[at]), each / each.sum(), detail=detail)

    def loss_and_grads(self, params: Params, entries: Entries, z: np.ndarray, index: np.ndarray) -> tuple[float, Params]:
        """The loss of predicting the z (N, COLUMNS) of the entries at `index`, NaN where there is nothing to predict; its gradient."""
        rows, rows_cache = lookup.forward(entries.event[index], part(params, "template"))
        g, e = rows[:, :COLUMNS], rows[:, COLUMNS:]
        x = _inputs(entries, z, index, e)
        h, h_cache = lstm.forward(x, part(params, "lstm"))
        y, y_cache = dense.forward(np.concatenate([h[:, -1], e], 1), part(params, "head"))
        last = x[:, -1, :COLUMNS]
        y = y + g * last
        loss, dy = squared_error.loss(y, np.where(np.isnan(z[index]), y, z[index].clip(-FARTHEST, FARTHEST)))
        djoined, head = dense.backward(dy, y_cache)
        # forward: joined = [h_last, e], and e is in the input of every step too
        dh = np.zeros_like(h)
        dh[:, -1] = djoined[:, :h.shape[2]]
        dx, grads = lstm.backward(dh, h_cache)
        de = djoined[:, h.shape[2]:] + dx[:, :, COLUMNS + 1:].sum(1)
        drows = np.concatenate([dy * last, de], 1)
        return loss, named("head", head) | named("lstm", grads) | named("template", lookup.backward(drows, rows_cache)[1])

    def _entries(self, windows: Windows) -> Entries:
        return Entries(windows, len(self.params["template.E"]), self.config.history)

    def _figures(self) -> tuple[np.ndarray, np.ndarray]:
        """(5, kinds, COLUMNS): FIGURES of each column, scale 0 where it is not judged by its number; and `own`, (kinds, COLUMNS) bool:
        where they are not those of all elapsed times, which stand in where a kind had too few.
        """
        table = np.zeros((len(FIGURES), 2 * len(self.params["template.E"]) * COLUMNS), np.float32)
        table[:, self.params["judged.column"]] = self.params["judged.figures"]
        table = table.reshape(len(FIGURES), -1, COLUMNS)
        own = table[1] > 0
        own[ANY] = False
        table[:, ~own[:, 0], 0] = table[:, ANY, :1]
        return table, own

    def _standardised(self, entries: Entries) -> np.ndarray:
        """z (N, COLUMNS) float32, NaN where there is no number or it is not judged."""
        centre, scale = self._figures()[0][:2, entries.kind]
        return np.where(scale > 0, (entries.v - centre) / np.where(scale > 0, scale, 1), np.float32(np.nan))

    def _predicted(self, entries: Entries, z: np.ndarray) -> np.ndarray:
        """(N, COLUMNS) float32: which z was expected."""
        p, y = self.params, np.zeros_like(z)
        for i in range(0, len(z), 8 * CHUNK):
            index = np.arange(i, min(i + 8 * CHUNK, len(z)))
            rows = lookup.infer(entries.event[index], part(p, "template"))
            g, e = rows[:, :COLUMNS], rows[:, COLUMNS:]
            x = _inputs(entries, z, index, e)
            h = lstm.infer(x, part(p, "lstm"))
            y[index] = dense.infer(np.concatenate([h[:, -1], e], 1), part(p, "head")) + g * x[:, -1, :COLUMNS]
        return np.where(self._figures()[1][entries.kind], y, 0)

    def _deviations(self, entries: Entries) -> tuple[np.ndarray, np.ndarray]:
        """(N, COLUMNS) float32, 0 where nothing is judged; and what was predicted."""
        z = self._standardised(entries)
        predicted = self._predicted(entries, z)
        middle, below, above = self._figures()[0][2:, entries.kind]
        error = z - predicted - middle
        judged = ~np.isnan(z)
        deviations = np.divide(np.abs(error), np.where(error > 0, above, below), out=np.zeros_like(z), where=judged)
        columns = entries.event[:, None] * COLUMNS + np.arange(1, COLUMNS)
        known = _keys(self.params["known.column"], self.params["known.token"])
        category = np.isin(columns, self.params["known.column"]) & (entries.tokens != 0)
        deviations[:, 1:][category & ~np.isin(_keys(columns, entries.tokens), known)] = NOVEL
        return deviations, predicted

    def _fit_categories(self, entries: Entries, held: np.ndarray) -> None:
        """Remembers the tokens of each column that has few, where held-out windows bring hardly a new one."""
        columns, tokens, config = [np.zeros(0, np.int32)], [np.zeros(0, np.uint32)], self.config
        for event, v, rows in _columns(entries.event, entries.tokens != 0, config.least):
            words, windows, late = entries.tokens[rows, v], entries.window[rows], held[rows]
            kinds, new = np.unique(words), late & ~np.isin(words, words[~late])
            if len(kinds) > min(config.kinds, len(rows) / OFTEN):
                continue
            if len(np.unique(windows[new])) <= (1 - config.interval) * len(np.unique(windows[late])):
                columns.append(np.full(len(kinds), event * COLUMNS + v + 1, np.int32))
                tokens.append(kinds)
        self.params |= {"known.column": np.concatenate(columns), "known.token": np.concatenate(tokens)}

    def _fit_scales(self, entries: Entries, held: np.ndarray) -> None:
        """Which numbers are judged, where they lie and how far apart they are."""
        judged, figures, there = [], [], ~np.isnan(entries.v) & ~held[:, None]
        for kind, column, rows in _judgeable(entries, there, self.config.least):
            x = entries.v[rows, column].astype(np.float64)
            if x.min() < x.max() and kind // 2 * COLUMNS + column not in self.params["known.column"]:
                centre = np.median(x)
                judged.append(kind * COLUMNS + column)
                figures.append([centre, 1.4826 * np.median(np.abs(x - centre)) or x.std(), 0, 1, 1])
        self.params["judged.column"] = np.array(judged, np.int32)
        self.params["judged.figures"] = np.array(figures, np.float32).reshape(-1, len(FIGURES)).T.copy()

    def _fit_bounds(self, entries: Entries, error: np.ndarray, held: np.ndarray) -> None:
        """How far the errors (N, COLUMNS) go, by kind and column: see the top."""
        from statistics import NormalDist  # slow to import, and detecting needs it not
        interval, place = self.config.interval, {int(column): i for i, column in enumerate(self.params["judged.column"])}
        numbers = (~np.isnan(error)).sum() / max(len(np.unique(entries.window)), 1)  # judged in a window
        there = self._figures()[1][entries.kind] & ~np.isnan(error)
        there[:, 0] |= ~np.isnan(entries.v[:, 0])
        for kind, column, rows in _judgeable(entries, there, 1):
            i = place.get(kind * COLUMNS + column)
            if i is None:
                continue
            x = error[rows, column].astype(np.float64)
            if kind == ANY:
                centre, scale = self.params["judged.figures"][:2, i]
                x = (entries.v[rows, 0] - centre) / scale
            if self.config.robust:
                middle = np.median(x)
                below, above = (_reach(side * (x - middle), (1 - interval) / 2 / numbers) for side in (-1, 1))
            else:
                x = x[held[rows]] if held[rows].sum() > 1 else x
                middle = x.mean()
                below = above = NormalDist().inv_cdf((1 + interval) / 2) * x.std()
            self.params["judged.figures"][2:, i] = middle, max(below, FINEST), max(above, FINEST)

    def _widen_bounds(self, scores: np.ndarray) -> None:
        """Widens, or narrows, all bounds until `interval` of the held-out windows, which have these scores, are within theirs."""
        scores = np.sort(scores[scores != NOVEL])
        rank, n = ceil((len(scores) + 1) * self.config.interval), len(scores)
        if rank <= n and scores[rank - 1] > 0:
            self.params["judged.figures"][3:] *= scores[rank - 1]
        elif n:  # too few to tell: they are no reason for narrower bounds
            self.params["judged.figures"][3:] *= max(scores[-1], 1)


class Entries:
    """The events of windows, N in a row, with what stands in their lines; those that training never saw are UNKNOWN.

    window, position, event, kind (N,); v (N, COLUMNS) float32, NaN where there is no number; tokens (N, VALUES) uint32, 0 where there
    is none; before (N, history): the entries of the same template and window that come before, the last one last, N where there is none.
    """

    def __init__(self, windows: Windows, n_events: int, history: int):
        real = windows.mask
        self.window, self.position = np.nonzero(real)
        self.event = np.where(windows.events < n_events, windows.events, UNKNOWN)[real]
        elapsed = np.maximum(np.diff(windows.times, axis=1, prepend=np.nan), 0)
        values = np.concatenate([elapsed[..., None], windows.values], 2, dtype=np.float64)[real]
        values[np.abs(values) > IDENTIFIER] = np.nan
        self.v = (np.sign(values) * np.log1p(np.abs(values))).astype(np.float32)
        self.v[self.event == UNKNOWN, 1:] = np.nan  # parameters of no template
        self.tokens = np.where(self.event[:, None] == UNKNOWN, np.uint32(0), windows.tokens[real])
        N, back = len(self.event), np.arange(history, 0, -1)
        order = np.lexsort((self.event, self.window))  # entries of one template and window side by side
        begins = np.flatnonzero((np.diff(self.window[order], prepend=-1) != 0) | (np.diff(self.event[order], prepend=-1) != 0))
        rank = np.arange(N) - np.repeat(begins, np.diff(begins, append=N))
        self.before = np.full((N, history), N)
        self.before[order] = np.where(rank[:, None] >= back, order[np.maximum(np.arange(N)[:, None] - back, 0)], N)
        self.kind = np.where(self.event == UNKNOWN, ANY, 2 * self.event + (self.before[:, -1] < N))


def _inputs(entries: Entries, z: np.ndarray, index: np.ndarray, e: np.ndarray) -> np.ndarray:
    """(n, history, D): what the network reads for the entries at `index`, whose templates have the rows e (n, E)."""
    before = entries.before[index]
    real = before < len(z)
    x = np.zeros((*before.shape, COLUMNS + 1 + e.shape[1]), e.dtype)
    x[real, :COLUMNS] = np.nan_to_num(z[before[real]]).clip(-FARTHEST, FARTHEST)
    x[..., COLUMNS] = real
    x[..., COLUMNS + 1:] = e[:, None]
    return x


def _columns(kind: np.ndarray, there: np.ndarray, least: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Kind, column and the rows where `there` (N, C) is true, for each that has at least so many."""
    order = np.argsort(kind, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        for column, some in enumerate(there[rows].T):
            if some.sum() >= max(least, 1):
                yield int(kind[rows[0]]), column, rows[some]


def _judgeable(entries: Entries, there: np.ndarray, least: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """The same of the kinds of known events, and at last the elapsed times of all events as one kind."""
    yield from _columns(entries.kind, there & (entries.kind != ANY)[:, None], least)
    if there[:, 0].sum() >= max(least, 1):
        yield ANY, 0, np.flatnonzero(there[:, 0])


def _reach(x: np.ndarray, share: float) -> float:
    """Beyond which a `share` of x is, so small that x cannot show it: by the generalised Pareto tail with its weighted moments
    (Hosking 1987) or, where too few numbers differ, the exponential one of all that is above 0.
    """
    start = np.quantile(x, 1 - TAIL)
    y = np.sort(x[x > start] - start)
    shaped = len(np.unique(y)) >= 5
    if not shaped:
        start, y = 0.0, np.sort(x[x > 0])
    n = len(y)
    if n < 2:
        return x.max()
    a, b = y.mean(), (y * np.arange(n - 1, -1, -1)).mean() / (n - 1)
    # k of the exponential is 0, of a heavier tail below it; that of a few numbers says little
    k = np.clip(a / (a - 2 * b) - 2, -0.5, 0.5) * n / (n + FEW) if shaped else 0.0
    p = min(share * len(x) / n, 1)
    return start + a * ((1 + k) * (1 - p ** k) / k if abs(k) > 1e-6 else -np.log(p))


def _keys(columns: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    return columns.astype(np.uint64) << np.uint64(32) | tokens


def _plain(v: float) -> float:
    """The number that v stands for, six digits of it."""
    return float(f"{np.sign(v) * np.expm1(min(abs(float(v)), 80.0)):.6g}")

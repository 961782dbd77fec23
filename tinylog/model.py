"""A model: the parser, the windows and the detectors that belong together, from one file and back to it.

    events of sessions -> windows -> each detector's score -> one score

Event ids inside a model are numbered so that those of its training come first (`order`): a detector has a row for each of
them, and an id from `n_events` on is one that training never saw, known by its text alone.
"""
from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__, detectors
from .compression.int8 import packed, unpacked
from .embedding.vectors import Vectors
from .embedding.words import UNKNOWN_TEXT, bucket_ids
from .errors import ConfigError, InputError, ModelFileError, TinylogError
from .modelfile import tensors as tensor_file
from .modelfile.checksum import checksum
from .parsing import Parser
from .pipeline import Names, Pipeline, spec_for
from .reading.formats import FORMATS, Format, format_named, session_pattern
from .records import FIRST_EVENT, FROM_LINES, PAD, UNKNOWN, Alert, Template, Windows, silent
from .streaming.rates import Rates
from .windowing import WindowSpec

if TYPE_CHECKING:
    from .live.lines import Live

FORMAT_VERSION = 1
MODELS = os.path.join(os.path.dirname(__file__), "models")


class Model:
    """Everything that `detect` needs. `score` and `detect` are for users; the rest is for the commands and for training."""

    def __init__(self, name: str, log_format: str, parser: Parser, spec: WindowSpec, order: np.ndarray, frequency: np.ndarray,
                 fitted: dict[str, Any], thresholds: dict[str, float], vectors: Vectors | None = None,
                 seen: np.ndarray | None = None, card: dict[str, Any] | None = None, int8: Sequence[str] = (),
                 replay: Windows | None = None, rates: dict[str, Any] | None = None) -> None:
        """order (n_known,): the parser's event id of each of ours. frequency (n_events,): share of training windows that hold
        an event. fitted: the detectors by name, those first that others read; thresholds: of those that alert, the main one first.
        seen: (K,) uint64 hashes of the windows of training, sorted. int8: detectors that are stored so. replay: some of the windows of
        training, with labels and weights, where a detector learns from feedback. rates: JSON of streaming.rates, of a warm-up.
        """
        self.name, self.log_format, self.parser, self.spec = name, log_format, parser, spec
        self.renumber(order, frequency)
        self.replay, self.rates = replay, rates
        self.detectors, self.thresholds, self.vectors = fitted, thresholds, vectors
        self.seen = np.zeros(0, np.uint64) if seen is None else seen
        self.card, self.int8 = card or {}, tuple(int8)

    def renumber(self, order: np.ndarray, frequency: np.ndarray) -> None:
        """The parser's event id of each of ours, and the share of training windows that hold each event of training."""
        self.order, self.frequency, self.n_events = order, frequency, len(frequency)
        self._number = np.argsort(order).astype(np.int32)  # the parser's id -> ours
        self._tables: dict[tuple, Any] = {}

    @property
    def threshold(self) -> float:
        """A score above it is an alert."""
        return next(iter(self.thresholds.values()))

    def template(self, event_id: int) -> Template:
        """What an event id of the model stands for."""
        return self.parser.templates[self.order[event_id] if event_id < len(self.order) else event_id]

    def numbered(self, parsed: np.ndarray) -> np.ndarray:
        """The parser's event ids as the model's: those of training first, newcomers behind all others. Any shape, int32."""
        known = parsed < len(self._number)
        return np.where(known, self._number[np.where(known, parsed, 0)], parsed).astype(np.int32)

    def rarity(self, parsed: np.ndarray) -> np.ndarray:
        """(N,) float32: share of training windows that hold an event, 0 if none does; below 0 where one line of it is enough to judge by:
        -1 where all windows that hold it are anomalous, - nats where the template by itself is worth an alert (newcomer).
        """
        ids = self.numbered(parsed)
        rarity = np.where(ids < self.n_events, self._rarity[np.minimum(ids, self.n_events - 1)], np.float32(0))
        if "newcomer" in self.thresholds and (ids >= self.n_events).any():
            for event in set(ids[ids >= self.n_events].tolist()):
                rarity[ids == event] = self._strangeness(event)
        return rarity

    def _strangeness(self, event_id: int) -> float:
        """- nats of a template that is worth an alert by itself, else 0."""
        name = self.template(event_id).name  # an id may be given to another template, a name is not
        if ("strange", name) not in self._tables:
            judge = self.detectors["newcomer"]
            alone = self.with_tables(Windows(np.array([[event_id]], np.int32)), "newcomer")
            nats = float(judge.score(alone)[0])
            self._tables["strange", name] = -nats if nats > self.thresholds["newcomer"] else 0.0
        return self._tables["strange", name]

    @property
    def _rarity(self) -> np.ndarray:
        if ("rarity",) not in self._tables:
            table = self.frequency.astype(np.float32)
            table[getattr(self.detectors.get("rules"), "certain", np.zeros(0, np.intp))] = -1
            if "newcomer" in self.thresholds:
                for event in self.detectors["newcomer"].rare.tolist():
                    table[event] = self._strangeness(event) or table[event]
            self._tables["rarity",] = table
        return self._tables["rarity",]

    def unseen(self, parsed: np.ndarray) -> np.ndarray:
        """(N,) bool: which of the parser's event ids no training window holds."""
        ids = self.numbered(parsed)
        return (ids >= self.n_events) | (self.frequency[np.minimum(ids, self.n_events - 1)] <= 0)

    def renumbered(self, windows: Windows) -> Windows:
        """Windows with the parser's event ids, as a pipeline of this model makes them, with the model's."""
        return replace(windows, events=self.numbered(windows.events))

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float64 log-odds of being anomalous, three decimals: above `threshold` is an alert."""
        return self.scores(windows)[0]

    def scores(self, windows: Windows) -> tuple[np.ndarray, list[str]]:
        """The score of each window, and the name of the detector that gave it: the one furthest above its own threshold."""
        first, kind = windows.distinct()
        few, names = self.prepared(windows.take(first)), list(self.thresholds)
        margins = np.empty((len(names), len(windows)))
        for margin, name in zip(margins, names):
            if FROM_LINES & set(self.detectors[name].NEEDS):
                every = windows if few.rules is None else replace(windows, rules=few.rules[kind])
                margin[:] = self.detectors[name].score(self.with_tables(every, name)) - self.thresholds[name]
            else:
                margin[:] = (self.detectors[name].score(self.with_tables(few, name)).astype(np.float64) - self.thresholds[name])[kind]
        scores = np.rint((margins.max(0) + self.threshold) * 1000) / 1000 + 0.0
        return scores, [names[i] for i in margins.argmax(0)]

    def prepared(self, windows: Windows) -> Windows:
        """With the evidence of the rules, where the model has them."""
        rules = self.detectors.get("rules")
        return windows if rules is None else replace(windows, rules=rules.evidence(windows))

    def with_tables(self, windows: Windows, name: str) -> Windows:
        """With the columns that a detector needs of each event. InputError where it needs some of lines and the windows are without."""
        detector = self.detectors[name]
        lacking = [need for need in detector.NEEDS if need in FROM_LINES and getattr(windows, need) is None]
        if lacking:
            raise InputError(f"{name} reads {' and '.join(lacking)} of log lines, and these windows are without; let a pipeline make them")
        return replace(windows, tables={need: self._table(need, detector) for need in detector.NEEDS if need in TABLES})

    def _table(self, need: str, detector: Any) -> np.ndarray:
        key, templates = (need, getattr(detector.config, "buckets", 0)), (self.parser.version, len(self.parser.templates))
        if key not in self._tables or self._tables[key][0] != templates:
            texts = [self.template(i).text for i in range(len(self.parser.templates))]
            texts[UNKNOWN] = UNKNOWN_TEXT
            self._tables[key] = templates, TABLES[need](texts, self.vectors, key[1])
        return self._tables[key][1]

    def hashes(self, windows: Windows) -> np.ndarray:
        """(B,) uint64: a name for each window, the same in every model that calls its events the same."""
        from hashlib import blake2b  # costs a start more than a verdict does
        first, kind = windows.distinct()
        names = [template.name for template in map(self.template, range(len(self.parser.templates)))]
        rows = [" ".join(names[i] for i in row[row != PAD]) for row in windows.events[first]]
        short = [blake2b(row.encode(), digest_size=8).digest() for row in rows]
        return np.frombuffer(b"".join(short), "<u8").astype(np.uint64)[kind]

    def reading(self, form: Format, named: bool = True) -> Model:
        """The same model with a parser of its own, to read one log of this format: what that log brings stays with it.

        InputError where the model knows nothing of such a log, and the user did not name (`named`) the format himself.
        """
        if form.name not in (self.log_format, "ids"):
            if not any(template.text for template in self.parser.templates):
                raise InputError(f"the model {self.name!r} knows event ids alone, and the log looks like {form.name}; "
                                 "train it with --templates F, or on raw lines")
            if self.log_format != "ids" and not named:
                raise InputError(f"the log looks like {form.name}, the model {self.name!r} reads {self.log_format}; "
                                 f"take a model for it, or say --format {self.log_format}")
        twin = copy(self)
        twin.parser, twin._tables = Parser.from_json(self.parser.to_json(), form.content_of), {}
        return twin

    def pipeline(self, form: Format, texts: Iterable[Template] = (), timeout: float | None = None, session: str | None = None,
                 window: int | float | None = None) -> Pipeline:
        """The main path for a log of this format, whose sessions are cut as in training unless the user says otherwise.
        texts: of event ids that the model does not know.
        """
        spec = self.spec
        if self.log_format != form.name or session or window:
            own = self.spec.seconds if self.spec.kind == "time" and session is None else None
            spec = spec_for(form, self.spec.size, session, window or own, self.spec.timeout)
        if timeout is not None:
            spec = replace(spec, timeout=timeout)
        needs = {name: self.detectors[name].NEEDS for name in self.thresholds}
        return Pipeline(form, self.parser, spec, Names(self.parser, texts), self.rarity, needs, self._valued(needs))

    def _valued(self, needs: Mapping[str, Sequence[str]]) -> frozenset[int] | None:
        """The parser's ids of events whose variable parts are read by the detectors that read any; None where one may read all."""
        read = [getattr(self.detectors[name], "valued", None) for name, columns in needs.items() if {"values", "tokens"} & set(columns)]
        return None if any(events is None for events in read) else frozenset(self.order[event] for events in read for event in events)

    def nearest(self, event_id: int) -> tuple[str, float] | None:
        """The template of training that is nearest in meaning, and the cosine of their vectors, or of their words where the model has
        no vectors but judges templates by those; None where no word is known.
        """
        if self.vectors is None:
            judge = self.detectors.get("newcomer")
            found = judge and judge.nearest(self._table("templates", judge), event_id)
            return found and (self.template(found[0]).text, round(found[1], 3))
        known = [self.template(i).text for i in range(FIRST_EVENT, self.n_events)]
        if ("unit",) not in self._tables:
            self._tables["unit",] = _unit(self.vectors.vectors(known))
        cosines = self._tables["unit",] @ _unit(self.vectors.vectors([self.template(event_id).text]))[0]
        best = int(cosines.argmax()) if len(cosines) else 0
        return (known[best], round(float(cosines[best]), 3)) if len(cosines) and cosines[best] > 0 else None

    def fingerprint(self) -> str:
        """The same for models whose event ids mean the same: trained together, feedback or not."""
        from hashlib import blake2b
        return blake2b(json.dumps([self.parser.to_json(), self.order.tolist()]).encode(), digest_size=8).hexdigest()

    def parts(self) -> dict[str, int]:
        """Bytes of each part in the model file: the detectors, the vectors, hashes of windows, texts; with the rest they add up to it."""
        arrays, texts = self._content()
        parts: Counter[str] = Counter()
        for name, array in arrays.items():
            own = {"model.seen": "seen windows", "model.parser": "templates"}
            parts[own.get(name, name.partition(".")[0])] += array.nbytes
        parts["card"] = len(texts["card"].encode())
        return dict(parts) | {"header": len(tensor_file.to_bytes(arrays, texts)) - sum(parts.values())}

    def detect(self, lines: Iterable[bytes], form: str | None = None) -> Iterator[Alert]:
        """Alerts of raw lines (an open file, a list), as they come. `form` names their format, else the first lines decide.

        Raises InputError where there is no line, ConfigError for an unknown format.
        """
        from .streaming.scorer import Scorer
        yield from Scorer.over_lines(self, lines, form and format_named(form))

    def save(self, path: str | os.PathLike) -> None:
        """Write the model file. ModelFileError where that fails; the file is then as it was."""
        tensor_file.write(path, *self._content())

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"model.order": self.order.astype(np.int32), "model.frequency": self.frequency.astype(np.float32),
                  "model.seen": self.seen,  # the parser's texts may be larger than metadata are allowed to be
                  "model.parser": np.frombuffer(json.dumps(self.parser.to_json(), separators=(",", ":")).encode(), np.uint8)}
        for name, detector in self.detectors.items():
            params = packed(detector.params) if name in self.int8 else detector.params
            arrays |= {f"{name}.{key}": array for key, array in params.items()}
        if self.replay is not None:
            smallest = np.uint8 if self.n_events <= 256 else np.uint16 if self.n_events <= 65536 else np.int32
            arrays |= {"replay.events": self.replay.events.astype(smallest), "replay.labels": self.replay.labels,
                       "replay.weights": self.replay.weights}
        if self.vectors is not None:
            arrays |= {f"vectors.{key}": array for key, array in self.vectors.tensors().items()}
        return arrays

    def _texts(self) -> dict[str, str]:
        texts = {
            "tinylog_format": FORMAT_VERSION,
            "made_by": f"tinylog {__version__}",
            "log_format": self.log_format,
            "window": self.spec.to_json(),
            "detectors": [[name, asdict(detector.config), name in self.int8] for name, detector in self.detectors.items()],
            "thresholds": list(self.thresholds.items()),
            "vectors": None if self.vectors is None else self.vectors.meta(),
            "card": self.card,
        } | ({} if self.rates is None else {"rates": self.rates})
        return {key: json.dumps(value, separators=(",", ":")) for key, value in texts.items()}

    def _content(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """What its file holds."""
        arrays, texts = self._arrays(), self._texts()
        return arrays, texts | {"checksum": json.dumps(checksum(arrays, texts))}

    def live(self, form: str) -> Live:
        """What scores the session of each raw line as it comes, exactly; `form` names the lines' format.

        Raises ConfigError for an unknown format, InputError where a detector of the model reads more of lines than their events.
        """
        from .live.lines import Live
        known = format_named(form)
        model = self.reading(known)
        return Live(model, model.pipeline(known))

    @classmethod
    def load(cls, path: str | os.PathLike) -> Model:
        """The model of a file. ModelFileError, naming the file, for anything that is no model of this version."""
        path = os.fspath(path)
        arrays, texts = tensor_file.read(path)
        try:
            meta = {key: json.loads(text) for key, text in texts.items()}
            version = meta["tinylog_format"]
        except (ValueError, KeyError, RecursionError):
            raise ModelFileError(f"{path} is not a tinylog model: its metadata do not say so") from None
        if version != FORMAT_VERSION:
            raise ModelFileError(f"{path}: format {_short(version)}, this tinylog reads {FORMAT_VERSION}; install the tinylog that made it"
                                 f" ({_short(meta.get('made_by', 'unknown'))}) or train again")
        if meta.get("checksum") != checksum(arrays, {key: text for key, text in texts.items() if key != "checksum"}):
            raise ModelFileError(f"{path} is damaged: its content is not that of its checksum; take a copy of it, or train again")
        try:
            model = cls._from_parts(os.path.basename(path).removesuffix(".tinylog"), arrays, meta)
            model.score(silent(np.array([[model.n_events - 1, PAD], [PAD, PAD]], np.int32)))  # whether its parts fit together
        except TinylogError as error:
            raise ModelFileError(f"{path}: {_short(error)}") from None
        except Exception as error:  # a file from anywhere may hold anything
            raise ModelFileError(f"{path} is damaged: its parts do not fit together ({type(error).__name__}: {_short(error)})") from None
        return model

    @classmethod
    def _from_parts(cls, name: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Model:
        parts: dict[str, dict[str, np.ndarray]] = {}
        for key, array in arrays.items():
            part, _, rest = key.partition(".")
            parts.setdefault(part, {})[rest] = array
        own, fitted, int8 = parts["model"], {}, []
        for kind, config, small in meta["detectors"]:
            module = detectors.load(kind)
            params = parts.get(kind, {})
            fitted[kind] = module.Detector(module.Config(**config), unpacked(params) if small else params)
            int8 += [kind] * small
        form = FORMATS[meta["log_format"]]
        parser = Parser.from_json(json.loads(own["parser"].tobytes()), form.content_of)
        vectors = None if meta["vectors"] is None else Vectors.from_tensors(parts["vectors"], meta["vectors"])
        replay, old = None, parts.get("replay")
        if old is not None:
            replay = Windows(old["events"].astype(np.int32), old["labels"], old["weights"])
            if replay.events.ndim != 2 or replay.events.max(initial=0) >= len(own["frequency"]) or len({*map(len, old.values())}) != 1:
                raise ValueError("the windows to replay hold events that it does not know")
        if sorted(own["order"].tolist()) != list(range(parser.n_known)) or not FIRST_EVENT <= len(own["frequency"]) <= parser.n_known:
            raise ValueError("the order of its events does not fit its templates")
        if not isinstance(meta["card"], dict):
            raise TypeError("the card is not a table")
        spec = WindowSpec.from_json(meta["window"])
        if spec.session is not None:
            session_pattern(spec.session)
        rates = meta.get("rates")
        if rates is not None and len(Rates.from_json(rates).most) > parser.n_known:
            raise ValueError("the rates are of events that it does not know")
        return cls(name, form.name, parser, spec, own["order"], own["frequency"], fitted,
                   {kind: float(threshold) for kind, threshold in meta["thresholds"]}, vectors, own["seen"], meta["card"], int8, replay, rates)


def _short(text: object) -> str:
    """What a file says of itself, as part of one sentence: it comes from anywhere."""
    said = str(text)
    said = said if len(said) <= 300 else said[:300] + "..."
    return said if said.isprintable() else ascii(said)[1:-1]


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1; a zero row stays."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


# What a detector may know of each event, by its text. `vectors` are the model's.
TABLES: dict[str, Callable[[list[str], Vectors | None, int], np.ndarray]] = {
    "vectors": lambda texts, vectors, buckets: vectors.vectors(texts),
    "words": lambda texts, vectors, buckets: bucket_ids(texts, buckets),
    "templates": lambda texts, vectors, buckets: np.array(texts, object),
}


def load(path: str | os.PathLike) -> Model:
    """The model of a file. ModelFileError, naming the file and what is wrong, for anything else."""
    return Model.load(path)


def bundled_names() -> list[str]:
    """The formats of logs that a bundled model is for."""
    return sorted(name.removesuffix(".tinylog") for name in os.listdir(MODELS) if name.endswith(".tinylog"))


def bundled(form: Format) -> Model:
    """The model that comes with tinylog for logs of a format. ConfigError, saying what to do, where there is none."""
    there = bundled_names()
    if form.name not in there:
        raise ConfigError(f"no bundled model for logs of format {form.name!r} (there are: {', '.join(there) or 'none'}); "
                          "train one with `python -m tinylog.train -o M LOG` and give it with -m M")
    return Model.load(os.path.join(MODELS, f"{form.name}.tinylog"))

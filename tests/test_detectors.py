"""What every detector must do: the files of the folder are found by themselves, a new one needs no line here."""
import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest

from tinylog import detectors
from tinylog.detectors import Sizes, rules
from tinylog.embedding.words import bucket_ids
from tinylog.errors import ConfigError
from tinylog.model import TABLES
from tinylog.records import FIRST_EVENT, FROM_LINES, PAD, UNKNOWN, VALUES, Windows, silent
from tinylog.streaming.explain import sentence
from tinylog.training.minimise import minimise

KINDS, T = 8, 12  # of events; a window
TEXTS = ["", "", "open file", "read file", "write file", "sync disk", "flush cache", "close file", "disk failed", "cache failed"]
SIZES = Sizes(FIRST_EVENT + KINDS, n_inputs=3)


def toy(n: int, rng: np.random.Generator, share: float = 0.3) -> Windows:
    """Normal windows count upwards through the first events; each has its own pace, near a second a line, and its own number, near 20.
    Anomalous ones hold one of the last two events, are slower from there on, and say a number near 100; they are longer too.
    """
    labels = (rng.random(n) < share).astype(np.int8)
    events, step = np.full((n, T), PAD, np.int32), rng.normal(1, 0.1, (n, 1)) + rng.normal(0, 0.01, (n, T))
    values = np.full((n, T, VALUES), np.nan, np.float32)
    for row, wait, value, label in zip(events, step, values, labels):
        length = rng.integers(9, 12) if label else rng.integers(4, 9)
        row[:length] = FIRST_EVENT + (rng.integers(4) + np.arange(length)) % 4
        value[:length, 0] = rng.normal(rng.normal(20, 3), 0.3, length)
        if label:
            at = rng.integers(length)
            row[at] = FIRST_EVENT + 6 + rng.integers(2)
            wait[at:] += 9
            value[at, 0] += 90
    mask = events != PAD
    tokens = np.nan_to_num(1000 * values).astype(np.uint32)
    texts, entities = np.empty(n, object), np.empty(n, object)
    texts[:] = [[f"{TEXTS[e]} {v:.0f}".encode() for e, v in zip(row[real], value[real, 0])] for row, value, real in zip(events, values, mask)]
    entities[:] = [[b"node%d" % (e % 3) for e in row[real]] for row, real in zip(events, mask)]
    table = np.random.default_rng(9).normal(size=(SIZES.n_events, 3)).astype(np.float32)
    return Windows(events, labels, times=np.where(mask, 1e9 + step.cumsum(1), np.nan), values=values, tokens=tokens, texts=texts, entities=entities,
                   tables={"vectors": table, "words": bucket_ids(TEXTS, 64), "templates": np.array(TEXTS, object)})


def made(name: str) -> tuple:
    """The module, a detector fitted on toy windows as training does it, its losses, and more windows."""
    rng = np.random.default_rng(4)
    module, windows, others = detectors.load(name), toy(300, rng), toy(200, rng)
    facts = rules.Detector.create(rules.Config(), SIZES)
    facts.fit(windows)
    windows, others = replace(windows, rules=facts.evidence_left_out(windows)), replace(others, rules=facts.evidence(others))
    if "labels" not in getattr(module, "NEEDS", ()) and name not in ("rules", "distillog"):
        windows = replace(windows.take(windows.labels == 0), labels=None)
    before = {each: made(each)[1] for each in getattr(module, "AFTER", ())}
    offered = partial(minimise, rng=np.random.default_rng(2), epochs=12, batch=32, lr=0.02)  # its own wishes go before these
    detector = module.Detector.create(module.TINY, SIZES, np.random.default_rng(1))
    losses = detector.fit(windows, offered, {"rules": facts} | before, np.random.default_rng(3))
    return module, detector, losses, others


@pytest.fixture(scope="module", params=detectors.names())
def fitted(request):
    """Fitted once for all tests of a detector: that scoring and explaining change nothing is one of them, and asked behind each."""
    module, detector, losses, others = made(request.param)
    before = {name: array.copy() for name, array in detector.params.items()}
    yield module, detector, losses, others
    assert before.keys() == detector.params.keys() and all(np.array_equal(before[name], array) for name, array in detector.params.items())


def test_detector_learns_and_ranks_anomalies_higher(fitted):
    _, detector, losses, others = fitted
    assert not losses or losses[-1] < 0.8 * losses[0]
    scores = detector.score(others)
    assert scores.shape == (len(others),) and scores.dtype == np.float32 and np.isfinite(scores).all()
    normal, anomalous = scores[others.labels == 0], scores[others.labels == 1]
    assert (anomalous[:, None] > normal).mean() > 0.9


def test_detector_score_changes_nothing_and_does_not_depend_on_the_batch(fitted):
    _, detector, _, others = fitted
    before = {name: array.copy() for name, array in detector.params.items()}
    events, scores = others.events.copy(), detector.score(others)
    alone = np.concatenate([detector.score(others.take(slice(i, i + 1))) for i in range(40)])
    np.testing.assert_allclose(alone, scores[:40], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(others.events, events)
    assert before.keys() == detector.params.keys()
    assert all(np.array_equal(before[name], array) for name, array in detector.params.items())


def test_detector_is_its_config_and_its_arrays(fitted):
    module, detector, _, others = fitted
    config = module.Config(**json.loads(json.dumps(asdict(detector.config))))
    assert config == detector.config
    twin = module.Detector(config, {name: array.copy() for name, array in detector.params.items()})
    np.testing.assert_array_equal(twin.score(others), detector.score(others))
    assert all(array.dtype != np.float64 for array in detector.params.values())


def test_detector_scores_what_training_never_saw(fitted):
    _, detector, _, others = fitted
    events = np.array([[UNKNOWN] * 12, [PAD] * 12, [SIZES.n_events + 5] * 12, [FIRST_EVENT] + [PAD] * 11], np.int32)
    rows = SIZES.n_events + 6
    tables = {name: np.concatenate([table, np.zeros((rows - len(table), *table.shape[1:]), table.dtype)]) for name, table in others.tables.items()}
    tables["templates"][tables["templates"] == 0] = ""
    strange = replace(silent(events), rules=np.zeros((4, len(rules.NAMES)), np.float32), tables=tables)
    assert np.isfinite(detector.score(strange)).all()
    for i in (0, 2, 3):
        assert detector.explain(strange, i).contrib.shape == (12,)
    assert len(detector.score(strange.take(slice(0, 0)))) == 0


def test_detector_explains_by_real_events(fitted):
    _, detector, _, others = fitted
    for i in range(10):
        reason = detector.explain(others, i)
        assert reason.contrib.shape == (12,) and (reason.contrib[~others.mask[i]] == 0).all()
        assert abs(reason.contrib.sum() - 1) < 1e-3 and others.mask[i, reason.position] and reason.code
        assert sentence(reason.code, "disk <*> failed", None, (), reason.detail) != reason.code


def test_detector_needs_are_columns_of_windows(fitted):
    module, detector, _, _ = fitted
    assert set(detector.NEEDS) <= FROM_LINES | {"rules"} | set(TABLES)
    assert set(detector.NEEDS) <= set(getattr(module, "NEEDS", detector.NEEDS)), "what scoring reads, training must have"
    assert detector.threshold is None or np.isfinite(detector.threshold)


@pytest.mark.parametrize("name", [name for name in detectors.names() if hasattr(detectors.load(name).Detector, "counted")])
def test_detector_that_counts_on_counts_once_a_call_and_stays_as_it_was(name):
    module, detector, _, others = made(name)
    before = {name: array.copy() for name, array in detector.params.items()}
    odd = others.take(others.labels == 1)
    once, _ = detector.counted(odd, 10_000)
    often, _ = detector.counted(odd.take(np.repeat(np.arange(len(odd)), 20)), 10_000)
    np.testing.assert_array_equal(once.score(others), often.score(others))
    later = detector
    for _ in range(200):
        later, refused = later.counted(odd, 10_000)
        assert refused == 0
    assert later.score(odd).mean() < 0.5 * detector.score(odd).mean() and later.known > detector.known and detector.KNOWS
    assert all(np.array_equal(before[name], array) for name, array in detector.params.items())
    twin = module.Detector(later.config, dict(later.params))
    np.testing.assert_array_equal(twin.score(others), later.score(others))
    np.testing.assert_array_equal(later.forgotten([SIZES.n_events + 3]).score(others), later.score(others))  # that id it never had
    assert np.isfinite(detector.counted(others.take(slice(0, 0)), 10_000)[0].score(others)).all()


def test_unknown_detector_is_refused_and_all_are_listed():
    with pytest.raises(ConfigError, match="no detector named 'os'; there are: .*distillog.*rules"):
        detectors.load("os")

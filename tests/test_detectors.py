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
from tinylog.records import FIRST_EVENT, PAD, UNKNOWN, Windows
from tinylog.training.minimise import minimise

KINDS = 8  # of events
TEXTS = ["", "", "open file", "read file", "write file", "sync disk", "flush cache", "close file", "disk failed", "cache failed"]
SIZES = Sizes(FIRST_EVENT + KINDS, n_inputs=3)


def toy(n: int, rng: np.random.Generator, share: float = 0.3) -> Windows:
    """Normal windows count upwards through the first events; anomalous ones hold one of the last two somewhere."""
    events, labels = np.full((n, 12), PAD, np.int32), (rng.random(n) < share).astype(np.int8)
    for row, label in zip(events, labels):
        length = rng.integers(4, 12)
        row[:length] = FIRST_EVENT + (rng.integers(6) + np.arange(length)) % 6
        if label:
            row[rng.integers(length)] = FIRST_EVENT + 6 + rng.integers(2)
    table = np.random.default_rng(9).normal(size=(SIZES.n_events, 3)).astype(np.float32)
    return Windows(events, labels, tables={"vectors": table, "words": bucket_ids(TEXTS, 64)})


@pytest.fixture(params=detectors.names())
def fitted(request):
    """The module, a detector fitted on toy windows, its losses, and more windows."""
    rng = np.random.default_rng(4)
    module, windows, others = detectors.load(request.param), toy(300, rng), toy(200, rng)
    facts = rules.Detector.create(rules.Config(), SIZES)
    facts.fit(windows)
    windows, others = replace(windows, rules=facts.evidence_left_out(windows)), replace(others, rules=facts.evidence(others))
    detector = module.Detector.create(module.TINY, SIZES, np.random.default_rng(1))
    losses = detector.fit(windows, partial(minimise, rng=np.random.default_rng(2), epochs=12, batch=32, lr=0.02), {"rules": facts})
    return module, detector, losses, others


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
    tables = {name: np.concatenate([table, np.zeros((rows - len(table), table.shape[1]), table.dtype)]) for name, table in others.tables.items()}
    strange = Windows(events, rules=np.zeros((4, len(rules.NAMES)), np.float32), tables=tables)
    assert np.isfinite(detector.score(strange)).all()


def test_detector_explains_by_real_events(fitted):
    _, detector, _, others = fitted
    for i in range(10):
        reason = detector.explain(others, i)
        assert reason.contrib.shape == (12,) and (reason.contrib[~others.mask[i]] == 0).all()
        assert abs(reason.contrib.sum() - 1) < 1e-3 and others.mask[i, reason.position] and reason.code


def test_detector_needs_are_columns_of_windows(fitted):
    _, detector, _, _ = fitted
    assert set(detector.NEEDS) <= {"rules", "vectors", "words"}


def test_unknown_detector_is_refused_and_all_are_listed():
    with pytest.raises(ConfigError, match="no detector named 'os'; there are: .*distillog.*rules"):
        detectors.load("os")

"""CLDTLog: words of lines to windows, calibrated scores, what an explanation names, gradients of the whole."""
from pathlib import Path

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.detectors import Sizes, cldtlog
from tinylog.detectors.cldtlog import TINY, Config, Detector
from tinylog.embedding.wordpieces import SPECIAL, WordPieces
from tinylog.records import Windows
from tinylog.training.minimise import minimise

NORMAL = [b"ciod: generated 128 core files", b"data parity corrected at 0x1f", b"tree receiver ready", b"idoproxy started"]
BAD = [b"data storage interrupt", b"kernel panic, rts halted"]


def some_windows(rng: np.random.Generator, n: int = 200, share: float = 0.2) -> Windows:
    """Three to five lines each; anomalous ones hold a bad one."""
    labels = (rng.random(n) < share).astype(np.int8)
    texts = np.empty(n, object)
    for i, label in enumerate(labels):
        texts[i] = [NORMAL[k] for k in rng.integers(len(NORMAL), size=rng.integers(3, 6))]
        if label:
            texts[i][rng.integers(len(texts[i]))] = BAD[rng.integers(len(BAD))]
    lengths = np.array([len(each) for each in texts])
    return Windows((np.arange(5) < lengths[:, None]).astype(np.int32) * 2, labels, texts=texts)


def offered(seed: int):
    return lambda step, params, n, **wishes: minimise(step, params, n, rng=np.random.default_rng(seed), **wishes)


@pytest.fixture(scope="module")
def fitted() -> Detector:
    rng = np.random.default_rng(1)
    detector = Detector.create(TINY, Sizes(9, prior=0.2), rng)
    detector.fit(some_windows(np.random.default_rng(2)), offered(3), {}, rng)
    return detector


def test_score_is_log_odds_and_even_odds_part_the_classes(fitted):
    others = some_windows(np.random.default_rng(9))
    scores = fitted.score(others)
    np.testing.assert_array_equal(scores > 0, others.labels == 1)
    rarer = Detector(Config(**(vars(fitted.config) | {"prior": 0.02})), fitted.params)
    np.testing.assert_allclose(scores - rarer.score(others), np.log(0.25) - np.log(0.02 / 0.98), rtol=1e-5)


def test_numbers_and_order_of_lines_do_not_matter_and_no_line_is_cut_off(fitted):
    lines = [NORMAL[0]] * 4 + [BAD[0]]
    texts = np.empty(4, object)
    texts[:] = [lines, lines[::-1], [line.replace(b"128", b"7") for line in lines], [NORMAL[0]] * 5]
    scores = fitted.score(Windows(np.full((4, 5), 2, np.int32), texts=texts))
    assert scores[0] == scores[1] == scores[2] > 0 > scores[3]


def test_explanation_names_the_line_and_its_pieces(fitted):
    texts = np.empty(1, object)
    texts[0] = [NORMAL[0], NORMAL[2], BAD[1], NORMAL[3]]
    reason = fitted.explain(Windows(np.array([[2, 2, 2, 2, 0]], np.int32), texts=texts), 0)
    assert reason.code == "text" and reason.position == 2 and reason.contrib[2] > 0.5
    spelled = "".join(piece.removeprefix("##") for piece in reason.detail["pieces"])
    assert reason.detail["pieces"] and set(spelled) <= set("kernelpanicrtshalted")


def test_gradients_of_both_losses_through_the_encoder():
    rng, windows = np.random.default_rng(4), some_windows(np.random.default_rng(5), 24, 0.5)
    detector = Detector.create(Config(pieces=40, width=8, heads=2, layers=1, hidden=12, dropout=0.0), Sizes(9), rng)
    lines = cldtlog._Lines.of(windows)
    pieces = WordPieces.learn(lines.texts, 40)
    ids, _ = pieces.encode(lines.texts, 50)

    def f(params):
        loss, grads = detector._loss_and_grads(params, ids, lines.sets, windows.labels, pieces.pad, rng)
        return np.array([loss]), lambda u: {key: u[0] * g for key, g in grads.items()}

    check_gradients(f, {key: p.astype(np.float64) for key, p in detector._learned("").items()}, rng, tolerance=1e-5)


def test_batches_pass_over_all_anomalous_windows_evenly():
    deck = cldtlog._deck(np.arange(7), 3, np.random.default_rng(0))
    drawn = np.concatenate([next(deck) for _ in range(7)])
    assert len(drawn) == 21 and (np.bincount(drawn) == 3).all()
    few = cldtlog._deck(np.array([4, 5]), 6, np.random.default_rng(0))
    assert sorted(next(few).tolist()) == [4, 5]


def test_bert_takes_the_place_of_the_encoder():
    """Its vocabulary and its weights stay what they were in the blocks that are frozen."""
    with np.load(Path(__file__).parent / "golden" / "encoder.npz") as golden:
        arrays = {name.removeprefix("bert.arrays."): golden[name] for name in golden.files if name.startswith("bert.arrays.")}
    letters = [*SPECIAL, *"abcdefghiklnoprstu"]
    rng = np.random.default_rng(6)
    detector = Detector.of_bert(Config(heads=3, tokens=8, frozen=1, steps=20, last_steps=5, lr=3e-3), Sizes(9), rng, arrays, WordPieces(letters))
    before = {name: array.copy() for name, array in detector.params.items()}
    windows = some_windows(np.random.default_rng(7), 60)
    detector.fit(windows, offered(8), {}, rng)
    assert np.isfinite(detector.score(windows)).all()
    changed = {name for name, array in detector.params.items() if not np.array_equal(array, before[name])}
    assert "encoder.word.E" not in changed and not any(name.startswith("encoder.0.") for name in changed)
    assert {"head.W", "encoder.1.up.W"} <= changed

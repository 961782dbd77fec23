"""Where the logs of the recipes are, and how each is split into training, validation, unlabelled and test windows.

The logs are not part of the project. They are looked for in the folder that TINYLOG_DATA names, else in ../shared/data
beside the repository.

    hdfs       sessions; training and validation half anomalous, test in the natural mix
    bgl        windows of 50 lines in order of time: test is the stretch behind training
    spirit     likewise, cut from one file: the last 16,000 windows are the test, a window before them is left out
    openstack  sessions of one file, 60 % of each label for training, drawn by the seed
"""
from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinylog.errors import InputError
from tinylog.reading.labels import read_templates
from tinylog.records import FIRST_EVENT, PAD, UNKNOWN, Windows
from tinylog.training.dataset import Dataset, load

SPIRIT_TEST = 16_000  # windows at the end
OPENSTACK_TRAIN = 0.6


@dataclass(frozen=True)
class Files:
    """The files of one log, relative to the data folder; `test` is empty where it is cut from `train`."""

    train: tuple[str, ...]
    templates: str
    valid: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    vectors: str | None = None  # the published ones: row = event id - 1
    weights: str | None = None  # the published networks


LOGS = {
    "hdfs": Files(train=("hdfs/robust_log_train.csv",), valid=("hdfs/robust_log_valid.csv",),
                  unlabelled=("hdfs/hdfs_train",), test=("hdfs/dev_test.csv.gz",), templates="hdfs/templates.csv",
                  vectors="hdfs/distillog_pca_vector_30d.csv", weights="parity/distillog_hdfs.npz"),
    "bgl": Files(train=("bgl/train_50_80pct_windows50.csv.gz", "bgl/random_train_filtered.csv.gz"),
                 test=("bgl/dev_test.csv.gz",), templates="bgl/templates.csv",
                 vectors="bgl/distillog_pca_vector_30d.csv", weights="parity/distillog_bgl.npz"),
    "spirit": Files(train=("spirit/train.csv.gz",), templates="spirit/templates.csv"),
    "openstack": Files(train=("openstack/sessions.csv.gz",), templates="openstack/templates.csv"),
}


def find(relative: str) -> str:
    """The path of a data file. InputError where it is absent."""
    folder = Path(os.environ.get("TINYLOG_DATA") or Path(__file__).parents[2] / "shared" / "data")
    path = folder / relative
    if not path.is_file():
        raise InputError(f"{path} is absent; set TINYLOG_DATA to the folder that holds {relative}")
    return str(path)


def read(name: str) -> tuple[Dataset, Windows | None]:
    """All windows of a log, and those of its test file in the same event ids; None where `split` cuts the test."""
    files = LOGS[name]
    paths = {part: [find(file) for file in getattr(files, part)] for part in ("train", "valid", "unlabelled", "test")}
    templates = read_templates(find(files.templates))
    # The test is read as one more validation file, so that the ids agree; `Dataset.order` looks at training alone.
    whole = load(paths["train"], valid=paths["valid"] + paths["test"], unlabelled=paths["unlabelled"],
                 templates=templates)
    if not files.test:
        return whole, None
    n_valid = len(load(paths["valid"], templates=templates).train) if files.valid else 0
    rest = whole.valid
    return replace(whole, valid=rest.take(slice(0, n_valid)) if n_valid else None), rest.take(slice(n_valid, None))


def split(name: str, whole: Dataset, test: Windows | None, seed: int) -> tuple[Dataset, Windows]:
    """Training and test of one seed, from what `read` gives."""
    if test is not None:
        return whole, test
    n, labels = len(whole.train), whole.train.labels
    if name == "spirit":
        cut = n - SPIRIT_TEST
        return replace(whole, train=whole.train.take(slice(0, cut - 1))), whole.train.take(slice(cut, n))
    rng, train = np.random.default_rng(seed), np.zeros(n, bool)
    for label in (0, 1):
        there = np.flatnonzero(labels == label)
        train[rng.permutation(there)[:round(OPENSTACK_TRAIN * len(there))]] = True
    return replace(whole, train=whole.train.take(train)), whole.train.take(~train)


def published_vectors(name: str, names: list[str]) -> np.ndarray:
    """(n, 30) float32: the published vector of each event id, given the names of the events; -1, as published, for
    padding and for what no template matched."""
    published = np.loadtxt(find(LOGS[name].vectors), delimiter=",", dtype=np.float32)
    table = np.zeros((len(names), published.shape[1]), np.float32)
    table[[PAD, UNKNOWN]] = -1
    for i, event in enumerate(names[FIRST_EVENT:], FIRST_EVENT):
        if event.isdecimal() and 0 < int(event) <= len(published):
            table[i] = published[int(event) - 1]
    return table

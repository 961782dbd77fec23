"""python -m tinylog.train -o MODEL [FILE...]: logs to a model file.

With labels (--labels F, or in the log) the default detector is distillog, taught by a larger network; without them the rules
that the normal log gives teach the same student. A twin is trained without the validation windows (--valid, else a part of the log
that is cut off): its figures are shown beside the rules, and its scores of normal ones are what detect --budget spends alerts by. The
model itself learns from those windows too.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from .console import arguments, check_folder, given_format, note, positive, run  # isort: skip, it sets the thread variables before NumPy is imported

import numpy as np

from . import detectors
from .embedding.vectors import Vectors
from .errors import InputError
from .metrics.classification import figures
from .model import Model
from .parsing.parser import KINDS
from .reading.labels import read_templates
from .records import Template, Windows
from .training.build import Options, build, held_out, merged, needs_of
from .training.calibration import calibration
from .training.dataset import Dataset, load
from .training.progress import Progress
from .training.vector_files import read_template_vectors, read_word_vectors


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    args = _arguments().parse_args(argv)
    names = tuple(dict.fromkeys(args.detector)) or ("distillog",)
    modules = {name: detectors.load(name) for name in names}
    templates = read_templates(args.templates) if args.templates else ()
    data = load(args.files, labels=args.labels, valid=args.valid, unlabelled=args.unlabelled, templates=templates, form=given_format(args),
                session=args.session, window=args.window, needs={name: needs_of(module) for name, module in modules.items()},
                cut_like=getattr(modules[names[0]], "WINDOW", None), parser=args.parser)
    vectors = _vectors(args.vectors, templates, data) if args.vectors else None
    options = Options(names, args.seed, args.epochs, not args.no_teacher, args.prior, args.false_alarms, vectors)
    check_folder(args.output)
    note(f"tinylog: {data.lines} lines ({data.form.name}), {len(data.train)} {'windows' if data.timed else 'sessions'}, "
         + ("no labels: all are taken as normal" if data.train.labels is None else f"{int(data.train.labels.sum())} of them anomalous"))
    name = os.path.basename(args.output).removesuffix(".tinylog")
    progress = lambda what: Progress(f"tinylog: {what}")  # noqa: E731
    judged, held_back = data if data.valid is not None else held_out(data, np.random.default_rng(args.seed)), None
    if judged is not None:
        twin = build(judged, name, replace(options, explained=False), progress)
        windows = twin.renumbered(judged.valid)
        if windows.labels is not None and windows.labels.any():
            sys.stdout.write(_table(twin, windows))
            sys.stdout.flush()
        share = 0.0 if judged is data else len(windows) / len(data.train)  # of the log: another file's time and lines are not known
        held_back = calibration(twin, windows, share * data.seconds, round(share * data.lines))
    model = build(merged(data), name, options, progress)
    model.card["calibration"] = held_back and held_back.to_json()
    model.save(args.output)
    sizes = sum(model.parts().values())
    note(f"tinylog: {args.output} written, {sizes} bytes, {', '.join(f'{kind} above {threshold:.3f}' for kind, threshold in model.thresholds.items())}, prior {model.card['prior']:.4f}")
    return 0


def _arguments() -> argparse.ArgumentParser:
    options = arguments("train", "Makes a model of logs.", model=False)
    options.add_argument("-o", "--output", required=True, metavar="M", help="the model file to write")
    options.add_argument("--labels", metavar="F", help="session,label rows (0, 1, Normal, Anomaly), where the log does not hold them")
    options.add_argument("--valid", nargs="+", default=[], metavar="F", help="logs for validation; without them a part of the training log")
    options.add_argument("--unlabelled", nargs="+", default=[], metavar="F", help="logs of which nothing is known; nearly all normal, as logs are")
    options.add_argument("--templates", metavar="F", help="id,template rows, or a template a line numbered from 1")
    options.add_argument("--vectors", metavar="F", help="vectors to read templates by: a row of numbers a template (CSV), or word vectors (.vec, .bin)")
    options.add_argument("--detector", action="append", default=[], metavar="NAME",
                         help=f"one of {', '.join(detectors.names())} (default: distillog); several share one model, the first is the main one")
    options.add_argument("--false-alarms", type=_share, default=Options.false_alarms, metavar="P",
                         help="wanted share of normal windows that alert, for detectors that learn from normal ones alone (default: %(default)s)")
    options.add_argument("--parser", choices=KINDS, default=KINDS[0], help="how templates are found (default: %(default)s)")
    options.add_argument("--prior", type=_share, metavar="P", help="share of anomalous sessions in what will be scored")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--epochs", type=positive, metavar="N", help="passes over the windows; less is quicker and worse")
    options.add_argument("--no-teacher", action="store_true", help="train the student on the labels alone")
    return options


def _vectors(path: str, templates: Sequence[Template], data: Dataset) -> Vectors:
    if path.endswith((".vec", ".bin")):
        return read_word_vectors(path, [template.text for template in data.parser.templates])
    if not templates:
        raise InputError(f"{path} has a row for each template, and no templates are given; name them with --templates F")
    return read_template_vectors(path, [template.text for template in templates])


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and below 1")
    return share


def _table(twin: Model, windows: Windows) -> str:
    """Figures of a twin of the model, trained without the validation windows, beside the rules."""
    names = [*twin.thresholds, *detectors.load("rules").NAMES]
    states = twin.detectors["rules"].states(windows)
    columns = [twin.score(windows) > twin.threshold, *(states != 0).T]
    rows = [f"validation ({len(windows)} windows, {int(windows.labels.sum())} anomalous), of a twin that was trained without it:",
            f"{'':16}{'precision':>10}{'recall':>10}{'F1':>10}"]
    for name, fired in zip(names, columns):
        found = figures(fired.astype(float), windows.labels, 0.5)
        rows.append(f"{name:16}{found['precision']:10.4f}{found['recall']:10.4f}{found['f1']:10.4f}")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    run(main)

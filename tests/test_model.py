"""A model on disk and back, what is refused, and what a model does with event ids of its own and of others."""
import json
from dataclasses import replace

import numpy as np
import pytest

from tinylog.errors import InputError, ModelFileError
from tinylog.model import Model, load
from tinylog.modelfile import tensors
from tinylog.modelfile.checksum import checksum
from tinylog.pipeline import read
from tinylog.reading.formats import FORMATS
from tinylog.records import PAD, UNKNOWN, Template, Windows
from tinylog.streaming.scorer import Scorer


@pytest.fixture
def model(made) -> Model:
    return load(made.model)


def collected(model, log) -> Windows:
    pipeline = model.pipeline(FORMATS["hdfs"])
    return model.renumbered(pipeline.windows([session for step in pipeline.run(read([str(log)], {})) for session in step.closed]))


def test_saved_model_is_equal_bytes_and_gives_equal_scores(model, made, tmp_path):
    windows = collected(model, made.log)
    again = tmp_path / "made.tinylog"
    load(made.model).save(again)
    assert again.read_bytes() == made.model.read_bytes()
    np.testing.assert_array_equal(load(again).score(windows), model.score(windows))


def test_official_safetensors_reads_the_model(made):
    safetensors = pytest.importorskip("safetensors.numpy")
    theirs, (ours, _) = safetensors.load_file(made.model), tensors.read(made.model)
    assert theirs.keys() == ours.keys() and all(np.array_equal(theirs[name], ours[name]) for name in ours)


def test_parts_add_up_to_the_file_and_the_student_is_small(model, made):
    assert sum(model.parts().values()) == made.model.stat().st_size
    assert model.parts()["distillog"] <= 4096
    assert sum(array.size for array in model.detectors["distillog"].params.values()) <= 442


def damaged(made, tmp_path, change):
    arrays, texts = tensors.read(made.model)
    meta = {key: json.loads(text) for key, text in texts.items()}
    change(arrays, meta)
    path = tmp_path / "other.tinylog"
    texts = {key: json.dumps(value) for key, value in meta.items() if key != "checksum"}
    tensors.write(path, arrays, texts | {"checksum": json.dumps(checksum(arrays, texts))})
    return path


def parser_says(arrays, change):
    parser = json.loads(arrays["model.parser"].tobytes())
    change(parser)
    arrays["model.parser"] = np.frombuffer(json.dumps(parser).encode(), np.uint8)


@pytest.mark.parametrize("words, change", [
    ("format 2, this tinylog reads 1", lambda arrays, meta: meta.update(tinylog_format=2)),
    ("no detector named 'os'", lambda arrays, meta: meta["detectors"].append(["os", {}, False])),
    ("do not fit together", lambda arrays, meta: meta["detectors"][1][1].update(rules=False)),
    ("do not fit together", lambda arrays, meta: arrays.pop("distillog.head.b")),
    ("do not fit together", lambda arrays, meta: meta["detectors"][1][1].update(colour="red")),
    ("do not fit together", lambda arrays, meta: meta.update(thresholds=[])),
    ("do not fit together", lambda arrays, meta: meta.update(log_format="xyz")),
    ("order of its events", lambda arrays, meta: arrays["model.order"].fill(0)),
    ("word vectors of the model are damaged", lambda arrays, meta: arrays.pop("vectors.mean")),
    ("word vectors of the model are damaged", lambda arrays, meta: arrays.pop("vectors.subword_table")),
    ("do not fit together", lambda arrays, meta: arrays.pop("rules.bigram.count")),
    ("do not fit together", lambda arrays, meta: meta.update(detectors=[each for each in meta["detectors"] if each[0] != "rules"])),
    ("metadata do not say so", lambda arrays, meta: meta.pop("tinylog_format")),
    ("window size 1000000000 is not", lambda arrays, meta: meta["window"].update(size=10**9)),
    ("window size 50.0 is not", lambda arrays, meta: meta["window"].update(size=50.0)),
    ("not a regular expression", lambda arrays, meta: meta["window"].update(session="(")),
    ("the card is not a table", lambda arrays, meta: meta.update(card=7)),
    ("one count for each pair", lambda arrays, meta: arrays.update({"rules.bigram.count": arrays["rules.bigram.count"][1:]})),
    (r"word vectors of the model are damaged \(UnicodeDecodeError: .{,99}$", lambda arrays, meta: arrays["vectors.words"].fill(255)),
    ("no whole number", lambda arrays, meta: parser_says(arrays, lambda parser: parser["bounds"].update(max_tokens=10**30))),
    ("do not fit together .TypeError", lambda arrays, meta: parser_says(arrays, lambda parser: parser["templates"].append([7, "x"]))),
    ("do not fit together .UnicodeEncodeError", lambda arrays, meta: parser_says(arrays, lambda parser: parser["templates"].append(["7", "\ud800"]))),
    ("two templates are called", lambda arrays, meta: parser_says(arrays, lambda parser: parser.update(n_seeds=2, templates=[["a", "b"]] * 2))),
    (r"x{300}\.\.\.", lambda arrays, meta: meta.update(made_by="x" * 9999, tinylog_format=2)),
])
def test_model_that_makes_no_sense_is_refused_by_name(made, tmp_path, words, change):
    with pytest.raises(ModelFileError, match=words) as caught:
        load(damaged(made, tmp_path, change))
    assert "other.tinylog" in str(caught.value) and "\n" not in str(caught.value)


def test_distinct_windows_once_equals_every_window(model, made):
    windows = collected(model, made.log)
    both = windows.take(np.tile(np.arange(len(windows)), 3))
    alone = [model.score(both.take(slice(i, i + 1)))[0] for i in range(len(both))]
    np.testing.assert_allclose(model.score(both), alone, atol=0.0011)  # three decimals


def test_events_never_seen_have_ids_behind_all_others_and_scores(model):
    twin = model.reading(FORMATS["hdfs"])
    ids = twin.parser.learn(b"260301 080000 5 INFO dfs.A: a thing that nobody has seen\n\n")
    numbered = twin.numbered(ids)
    assert numbered[0] >= twin.n_events and numbered[1] == UNKNOWN
    assert twin.rarity(ids).tolist()[0] == 0
    assert np.isfinite(twin.score(Windows(np.array([[numbered[0], 3, PAD]], np.int32)))).all()
    assert len(model.parser.templates) == len(twin.parser.templates) - 1  # what a log brings stays with it


def test_hash_of_a_window_is_of_its_names_and_not_of_its_padding(model):
    rows = np.array([[2, 3, PAD, PAD], [2, 3, 2, PAD], [2, 3, PAD, PAD]], np.int32)
    a, b, c = model.hashes(Windows(rows)).tolist()
    assert a == c != b and model.hashes(Windows(rows[:1, :2])).tolist() == [a]


def test_raw_lines_are_refused_by_a_model_of_ids_without_texts(made, tmp_path, model):
    model.log_format = "ids"
    model.reading(FORMATS["hdfs"])
    for i, template in enumerate(model.parser.templates):
        model.parser.templates[i] = template._replace(text="")
    with pytest.raises(InputError, match="knows event ids alone"):
        model.reading(FORMATS["hdfs"])
    model.reading(FORMATS["ids"])


@pytest.mark.parametrize("size", [100, 4096, 1 << 20])
def test_alerts_do_not_depend_on_how_the_log_is_cut_into_blocks(model, made, size):
    from tinylog.reading.blocks import blocks

    def alerts(size):
        twin = model.reading(FORMATS["hdfs"])
        with open(made.log, "rb") as log:
            return sorted(Scorer(twin, twin.pipeline(FORMATS["hdfs"])).run(blocks(log, size=size)), key=lambda alert: alert.session)
    assert alerts(size) == alerts(1 << 16) != []


def test_threshold_moves_alerts(model, made):
    twin = model.reading(FORMATS["hdfs"])
    count = [len(list(Scorer(twin, twin.pipeline(FORMATS["hdfs"]), threshold).run(read([str(made.log)], {})))) for threshold in (-99.0, None, 99.0)]
    assert count[0] == 60 > count[1] > count[2] == 0


def test_twin_of_a_model_has_the_same_numbers(model, made):
    twin = model.reading(FORMATS["hdfs"])
    windows = replace(collected(model, made.log), labels=None)
    np.testing.assert_array_equal(twin.score(windows), model.score(windows))


def test_model_of_many_templates_is_written_and_read(model, tmp_path):
    twin = model.reading(FORMATS["hdfs"])
    twin.parser._frozen_at = None  # as training has it
    for i in range(3000):
        twin.parser.introduce(Template(f"many {i}", f"{i} " + "long " * 150))
    twin.parser.freeze()
    twin.order = np.arange(twin.parser.n_known, dtype=np.int32)
    twin.save(tmp_path / "many.tinylog")
    assert (tmp_path / "many.tinylog").stat().st_size > 2 << 20
    assert load(tmp_path / "many.tinylog").parser.templates == twin.parser.templates

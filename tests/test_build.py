"""From files to a model: what is training, what is not, and that nothing of the test reaches what is fitted."""
import numpy as np
import pytest

from tinylog.errors import InputError
from tinylog.reading.labels import read_templates
from tinylog.records import FIRST_EVENT, UNKNOWN, Windows
from tinylog.training.build import Options, build, held_out, kinds, merged
from tinylog.training.dataset import load
from tinylog.training.vector_files import read_template_vectors

QUICK = Options(epochs=1, teacher=False, explained=False)


@pytest.fixture
def files(tmp_path):
    """Sessions as ids: 7 anomalous, 8 only in validation, 9 only in the unlabelled file."""
    rows = ["sequence,label"] + [f"{' '.join(['3', '4', '5'][:1 + i % 3])} 6,0" for i in range(40)] + ["3 7 6,1"] * 10
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "valid.csv").write_text("sequence,label\n3 8 6,0\n3 7 6,1\n")
    (tmp_path / "unlabelled").write_text("3 9 6\n3 4 6\n")
    (tmp_path / "templates.csv").write_text("id,template\n" + "".join(f"{i},word{chr(96 + i)} says <*>\n" for i in range(1, 13)))
    return {path.stem: str(path) for path in tmp_path.iterdir()}


def data_of(files, **more):
    options = dict(valid=[files["valid"]], unlabelled=[files["unlabelled"]], templates=read_templates(files["templates"]))
    return load([files["train"]], **(options | more))


def test_events_of_training_come_first_and_those_of_validation_alone_do_not(files):
    data = data_of(files)
    order, n = data.order()
    names = [data.parser.templates[i].name for i in order]
    assert set(names[FIRST_EVENT:n]) == {"3", "4", "5", "6", "7", "9"} and "8" in names[n:] and "12" in names[n:]
    assert merged(data).order()[1] == n + 1 and len(merged(data).train) == 52


def test_model_is_the_same_whatever_validation_holds(files, tmp_path):
    """A poisoned validation or test file changes nothing of a twin that was trained without it."""
    (tmp_path / "other.csv").write_text("sequence,label\n3 7 6,0\n10 11 12,1\n12 12,0\n")
    one, two = (build(data_of(files, valid=[path]), "m", QUICK) for path in (files["valid"], str(tmp_path / "other.csv")))
    for name in ("rules", "distillog"):
        for key, array in one.detectors[name].params.items():
            np.testing.assert_array_equal(array, two.detectors[name].params[key])
    assert one.thresholds == two.thresholds and one.n_events == two.n_events
    np.testing.assert_array_equal(one.seen, two.seen)


def test_zero_is_unknown_only_where_templates_do_not_name_it(files, tmp_path):
    (tmp_path / "zero.csv").write_text("0 3 99\n")
    named = load([str(tmp_path / "zero.csv")], templates=read_templates(files["templates"]))
    assert named.train.events[0, 0] == UNKNOWN and (named.train.events[0, 1:3] > UNKNOWN).all()
    bare = load([str(tmp_path / "zero.csv")])
    assert (bare.train.events[0, :3] > UNKNOWN).all()
    assert [bare.parser.templates[i].name for i in bare.train.events[0, :3]] == ["0", "3", "99"]


def test_held_out_windows_of_a_stream_are_its_end_with_a_gap(tmp_path):
    rows = [f"{3 + i % 4} {3 + i % 3} 9,{int(i % 10 == 0)}" for i in range(200)]
    (tmp_path / "stream.csv").write_text("\n".join(rows) + "\n")
    data = load([str(tmp_path / "stream.csv")])
    twin = held_out(data, np.random.default_rng(0))
    assert data.timed and (len(twin.train), len(twin.valid)) == (169, 30)
    np.testing.assert_array_equal(twin.valid.events, data.train.events[170:])
    np.testing.assert_array_equal(twin.train.events, data.train.events[:169])


def test_held_out_sessions_keep_the_share_of_each_label(files):
    data = data_of(files, valid=[])
    twin = held_out(data, np.random.default_rng(0))
    assert not data.timed and (twin.valid.labels == 1).sum() == 1 and (twin.valid.labels == 0).sum() == 6
    assert len(twin.train) + len(twin.valid) == 50


def test_distinct_windows_carry_their_number(files):
    data = data_of(files)
    few, kind = kinds(Windows(data.train.events, data.train.labels, np.ones(50, np.float32)))
    assert few.weights.sum() == 50 and len(few) == 4
    np.testing.assert_array_equal(few.events[kind], data.train.events)


@pytest.mark.parametrize("share, prior", [(0.5, 0.02), (0.05, 3.5 / 61)])
def test_prior_of_sessions_is_that_of_the_file_only_where_it_is_small(tmp_path, share, prior):
    anomalous = round(60 * share)
    rows = [f"3 {'4 ' * (i % 5)}5,0" for i in range(60 - anomalous)] + ["3 7,1"] * anomalous
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    model = build(load([str(tmp_path / "a.csv")]), "m", QUICK)
    assert model.detectors["distillog"].config.prior == pytest.approx(prior) == model.card["prior"]


def test_given_vectors_are_read_row_by_row_and_others_come_from_words(files, tmp_path):
    texts = [template.text for template in read_templates(files["templates"])]
    rows = np.random.default_rng(1).normal(size=(10, 30))
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    vectors = read_template_vectors(path, texts)
    np.testing.assert_allclose(vectors.vectors(texts[:10]), rows, rtol=1e-6)
    assert vectors.vector("wordk says <*>").any()  # "says" has a vector
    model = build(data_of(files), "m", Options(epochs=1, teacher=False, vectors=vectors))
    assert model.detectors["distillog"].config.inputs == "vectors"
    assert sum(array.size for array in model.detectors["distillog"].params.values()) <= 442
    model.save(tmp_path / "m.tinylog")
    from tinylog.model import load as load_model
    np.testing.assert_array_equal(load_model(tmp_path / "m.tinylog").vectors.vectors(texts), model.vectors.vectors(texts))


def test_given_vectors_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n3,x\n")
    with pytest.raises(InputError, match="row 2 is not 2 finite numbers"):
        read_template_vectors(tmp_path / "a.csv", ["a", "b"])
    (tmp_path / "a.csv").write_text("1,2\n3,4\n")
    with pytest.raises(InputError, match="2 rows for 1 templates"):
        read_template_vectors(tmp_path / "a.csv", ["a"])


def test_labels_for_some_logs_alone_are_refused(files, tmp_path):
    (tmp_path / "bare").write_text("3 4 6\n")
    with pytest.raises(InputError, match="some logs have labels and others none"):
        load([files["train"], str(tmp_path / "bare")])
    with pytest.raises(InputError, match="validation log must both have labels"):
        load([files["train"]], valid=[str(tmp_path / "bare")])


@pytest.mark.parametrize("n, width", [(5, 6), (40, 6), (60, 4), (79, 3)])
def test_student_stays_within_its_budget_whatever_the_number_of_events(tmp_path, n, width):
    rows = [f"{1 + i % n} {1 + (i + 1) % n},{int(i % 9 == 0)}" for i in range(2 * n)]
    (tmp_path / "a.csv").write_text("sequence,label\n" + "\n".join(rows) + "\n3 3 3,0\n")
    student = build(load([str(tmp_path / "a.csv")]), "m", QUICK).detectors["distillog"]
    assert sum(array.size for array in student.params.values()) <= 442 and student.config.width == width

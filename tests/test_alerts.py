"""What an alert says of its session: why, what was expected, which lines mattered, and where they stand."""
import ast
import json

import pytest
from conftest import ROOT, run_here

from tinylog.detectors import rules
from tinylog.model import Model
from tinylog.records import FIRST_EVENT, KINDS


def detected(*arguments):
    done = run_here("detect", "--json", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def record(i, text):
    return f"260301 0800{i % 60:02d} 5 INFO dfs.DataNode: {text}\n"


def tale(key, more=None, at=2):
    """A session of four lines, with another one somewhere."""
    lines = [f"opening {key} now", f"writing {key} to disk", f"{key} is flushed", f"closing {key} quietly"]
    return lines if more is None else lines[:at] + [more.format(key=key)] + lines[at:]


def log_of(*tales):
    return "".join(record(i, line) for i, line in enumerate(line for lines in tales for line in lines))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Models of two hundred tales, by detector: one that looks at events alone, one that reads lines too."""
    folder = tmp_path_factory.mktemp("alerts")
    (folder / "log").write_text(log_of(*(tale(f"blk_{i}") for i in range(1000, 1200))))
    models = {}
    for name in ("rules", "deeplog_key", "deeplog_value"):
        models[name] = folder / f"{name}.tinylog"
        done = run_here("train", "-o", models[name], "--detector", name, "--epochs", "3", folder / "log")
        assert done.returncode == 0, done.stderr.decode()
    return models


def test_every_reason_that_a_detector_gives_is_of_a_kind():
    codes = set(rules.NAMES)
    for path in (ROOT / "tinylog").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reason":
                codes |= {part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    assert len(codes) >= 15 and codes <= set(KINDS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in readme for code in {*KINDS, *KINDS.values()})


@pytest.mark.parametrize("name", ["rules", "deeplog_key"])
def test_a_never_seen_event_is_named_whatever_detector_found_it(trained, tmp_path, name):
    (tmp_path / "log").write_text(log_of(tale("blk_1"), tale("blk_2", "the disk of {key} is on fire"), tale("blk_3")))
    (alert,) = detected("-m", trained[name], tmp_path / "log")
    assert (alert["session"], alert["kind"], alert["reason"], alert["severity"]) == ("blk_2", "new_template", "new_template", "warning")
    assert (alert["file"], alert["line_no"]) == (str(tmp_path / "log"), 7) and alert["line"].endswith("the disk of blk_2 is on fire")
    assert "on fire" in alert["template"] and alert["why"].startswith("never seen in training: ")
    assert alert["nearest"] is None or alert["nearest"]["template"] != alert["template"] and 0 < alert["nearest"]["similarity"] < 1
    assert "is flushed" in alert["expected"][0]["template"] and 0.1 < alert["expected"][0]["p"] <= 1


def test_known_events_in_another_order_are_of_the_kind_sequence(trained, tmp_path):
    (tmp_path / "log").write_text(log_of(tale("blk_1"), sorted(tale("blk_2")), tale("blk_3")))
    (alert,) = detected("-m", trained["deeplog_key"], tmp_path / "log")
    assert (alert["session"], alert["kind"], alert["nearest"]) == ("blk_2", "sequence", None) and alert["expected"]


def test_lines_that_mattered_have_their_text_where_it_was_kept(trained, tmp_path):
    odd = tale("blk_2", "the disk of {key} is on fire")
    (tmp_path / "log").write_text(log_of(tale("blk_1"), odd))
    lines = (tmp_path / "log").read_text().splitlines()
    (bare,) = detected("-m", trained["deeplog_key"], tmp_path / "log")
    assert bare["contrib"] and {part["line"] for part in bare["contrib"]} <= {None, lines[6]}
    alerts = detected("-m", trained["deeplog_value"], "--threshold", "-999", tmp_path / "log")
    assert alerts and all(part["line"] == lines[part["line_no"] - 1] for alert in alerts for part in alert["contrib"])
    known = {template.name: template.text for template in Model.load(trained["deeplog_value"]).parser.templates[FIRST_EVENT:]}
    assert all(part["template"] == known.get(part["event_id"], part["template"]) for alert in alerts for part in alert["contrib"])


def test_a_line_number_is_never_that_of_another_file(trained, tmp_path):
    """The strangest line of the session stands in the first file, its last lines in the second one."""
    odd = tale("blk_2", "the disk of {key} is on fire", at=0)
    (tmp_path / "a.log").write_text(log_of(tale("blk_1"), odd[:3]))
    (tmp_path / "b.log").write_text(log_of(odd[3:], tale("blk_3")))
    (alert,) = detected("-m", trained["rules"], tmp_path / "a.log", tmp_path / "b.log")
    texts = (tmp_path / "b.log").read_text().splitlines()
    assert (alert["file"], alert["line_no"]) == (str(tmp_path / "b.log"), None) and alert["line"].endswith("is on fire")
    assert all(part["line_no"] is None or "blk_2" in texts[part["line_no"] - 1] for part in alert["contrib"])
    text = run_here("detect", "-m", trained["rules"], tmp_path / "a.log", tmp_path / "b.log").stdout.decode()
    assert "b.log:" not in text and "is on fire" in text


def test_what_training_knows_as_bad_does_not_speak_for_what_is_new(made, tmp_path):
    """The session's strangest line is one that only anomalous sessions had; its new template is named by its own text."""
    lines = made.log.read_text().splitlines(keepends=True)
    bad = next(line for line in lines if "volumeMap" in line)
    key = bad.split("blk_")[1].split()[0].rstrip(".")
    (tmp_path / "log").write_text(record(1, f"quite another thing for blk_{key}") + bad)
    (alert,) = detected("-m", made.model, "--threshold", "-99", tmp_path / "log")
    assert "volumeMap" in alert["line"] and alert["reason"] == "new_template"
    assert "quite another thing" in alert["why"] and "volumeMap" not in alert["why"].split(";")[0]

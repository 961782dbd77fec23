"""detect -j: other processes parse ahead, and nothing else changes."""
import pytest
from conftest import run_command, run_here
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.model import bundled
from tinylog.reading.formats import FORMATS
from tinylog.records import Block
from tinylog.streaming import ahead

HEAD = b"081109 203518 143 INFO dfs.DataNode$DataXceiver: "
LINES = st.sampled_from([
    HEAD + b"Receiving block blk_1 src: /10.0.0.1:1 dest: /10.0.0.2:2", HEAD + b"Received block blk_2 of size 9 from /10.0.0.1",
    HEAD + b"Verification succeeded for blk_1", HEAD + b"never heard of this one", HEAD + b"never heard of that one blk_2 and blk_1", b"", b"x",
    HEAD + b"never seen words about blk_3", b"no header here \xff\x00"])


def block_of(lines, first):
    return Block(b"".join(line + b"\n" for line in lines), first, "log")


def columns(pipeline, blocks):
    found = [pipeline.events(block) for block in blocks]
    return [(e.event_ids.tolist(), e.line_no.tolist(), e.sessions, e.lines, e.rarity.tolist()) for e in found], pipeline.parser.templates


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(LINES, min_size=1, max_size=12), min_size=1, max_size=6))
def test_blocks_that_were_parsed_ahead_give_the_same_events(chunks):
    """The workers' part is done here: that processes only carry it is the next test."""
    form, starts = FORMATS["hdfs"], [1]
    for chunk in chunks:
        starts.append(starts[-1] + len(chunk))
    blocks = [block_of(chunk, start) for chunk, start in zip(chunks, starts)]
    one, other = (model.pipeline(form) for model in (bundled(form).reading(form) for _ in range(2)))
    ahead._begin(other.parser.to_json(), form.name, other.key.pattern)
    parsed = [block._replace(parsed=ahead._parsed(block.data)) for block in blocks]
    assert columns(other, parsed) == columns(one, blocks)


@pytest.mark.parametrize("more", [["--json"], ["--output-format", "csv"], ["--json", "--window", "20"]])
def test_alerts_of_several_files_and_processes_are_those_of_one(made, tmp_path, more):
    lines = made.log.read_bytes().splitlines(keepends=True)
    third = len(lines) // 3
    files = []
    for i in range(3):
        strange = [b"260301 080255 7259 INFO dfs.X: a template nobody knows about part-%d blk_19310\n" % i]
        files.append(tmp_path / f"{i}.log")
        files[-1].write_bytes(b"".join(lines[i * third:(i + 1) * third] + strange))
    one, two = (run("detect", "-m", made.model, *more, *jobs, *files) for run, jobs in ((run_here, []), (run_command, ["-j", "2"])))
    assert one.returncode == two.returncode == 0, two.stderr
    assert one.stdout == two.stdout and one.stdout.count(b"\n") > 5 and one.stderr == two.stderr


def test_a_pipe_can_be_parsed_ahead_too(made):
    data = made.log.read_bytes()
    assert run_command("detect", "-m", made.model, "-j", "2", stdin=data).stdout == run_here("detect", "-m", made.model, stdin=data).stdout


@pytest.mark.slow
def test_real_lines_give_the_same_with_two_processes(data):
    log = data / "hdfs" / "raw_dev" / "HDFS_raw_dev.log.gz"
    one, two = (run_command("detect", "--output-format", "csv", "-j", jobs, log).stdout for jobs in ("1", "2"))
    assert one == two and one.count(b"\n") > 5000

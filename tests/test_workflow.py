"""Workflows of generated tasks whose truth is known, by both constructions; following, printing, the detector and its command."""
import itertools
import json
import re
import shutil
import subprocess
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinylog import workflow as command
from tinylog.detectors import Sizes, deeplog_workflow
from tinylog.errors import ConfigError, InputError
from tinylog.model import Model
from tinylog.parsing import Parser
from tinylog.reading.formats import FORMATS
from tinylog.records import FIRST_EVENT, PAD, UNKNOWN, Template, Windows
from tinylog.windowing import WindowSpec
from tinylog.windowing.arrays import to_windows
from tinylog.workflows import printing
from tinylog.workflows.blocks import Block, blocks_of, itemised
from tinylog.workflows.clustering import clustered, followed, tasks
from tinylog.workflows.contexts import Place, separating
from tinylog.workflows.following import Follower
from tinylog.workflows.from_model import from_model
from tinylog.workflows.graph import KINDS, Workflow

LETTERS = "ABCDEVWXYZ"
N_EVENTS = FIRST_EVENT + len(LETTERS)
EVENT = {letter: FIRST_EVENT + i for i, letter in enumerate(LETTERS)}


def sequences_of(words):
    return [tuple(EVENT[letter] for letter in word) for word in words]


def counted(sequences, weights, longest=20, n_events=N_EVENTS):
    """Next-event probabilities by counting: behind the whole history, else behind the longest part of its end that was seen."""
    counts = defaultdict(lambda: np.zeros(n_events))
    for sequence, weight in zip(sequences, weights):
        for at, event in enumerate((*sequence, PAD)):
            counts["whole", sequence[:at]][event] += weight
            for start in range(max(at - longest, 0), at + 1):
                counts["end", sequence[start:at]][event] += weight

    def row(history):
        keys = [("whole", history), *(("end", history[start:]) for start in range(len(history) + 1))]
        found = next(counts[key] for key in keys if key in counts)
        return found / found.sum()
    return lambda histories: np.array([row(history) for history in histories]).reshape(-1, n_events)


def by_model(sequences, weights=None, rare=0.001):
    weights = np.ones(len(sequences)) if weights is None else weights
    return from_model(sequences, weights, counted(sequences, weights), epsilon=0.05, rare=rare, history=50, longest=6)


def by_density(sequences, weights=None, rare=0.001):
    weights = np.ones(len(sequences)) if weights is None else weights
    return clustered(sequences, weights, N_EVENTS, density=0.9, rare=rare)


def named(workflow: Workflow) -> list[str]:
    """Nodes by letter, those of a second context with a prime."""
    names = [LETTERS[event - FIRST_EVENT] + "'" * context if event else "" for event, context in zip(workflow.events, workflow.contexts)]
    return ["START", "END", *names[2:]]


def edges(workflow: Workflow) -> set[str]:
    names = named(workflow)
    return {f"{names[u]} {KINDS[kind]} {names[v]}" for (u, v), kind in zip(workflow.edges, workflow.kinds)}


def blocks(workflow: Workflow) -> list[set[str]]:
    """Of each block its branches, as the letters of their nodes."""
    names = np.array(named(workflow))
    return [{"".join(sorted(names[(workflow.blocks == block) & (workflow.branches == branch)]))
             for branch in set(workflow.branches[workflow.blocks == block])} for block in range(1, workflow.blocks.max() + 1)]


def orders(*parts):
    return ["".join(part) for part in itertools.permutations(parts)]


TRUTH = {  # sessions, edges, blocks
    "sequence": (["ABCD"], "START seq A, A seq B, B seq C, C seq D, D seq END", []),
    "branch": (["ABD", "ACD"], "START seq A, A or B, A or C, B seq D, C seq D, D seq END", []),
    "optional": (["ABC", "AC"], "START seq A, A or B, A or C, B seq C, C seq END", []),
    "loop": (["ABCD", "ABCBCD", "ABCBCBCD"], "START seq A, A seq B, B seq C, C loop B, C seq D, D seq END", []),
    "loop of one": (["ABC", "ABBC", "ABBBC"], "START seq A, A seq B, B loop B, B seq C, C seq END", []),
    "always three": (["ABBBC"], "START seq A, A seq B, B loop B, B seq C, C seq END", []),
    "new task": (["ABCDE", "AVWXYZ"],
                 "START seq A, A or B, A or V, B seq C, C seq D, D seq E, E seq END, V seq W, W seq X, X seq Y, Y seq Z, Z seq END", []),
    "two at once": (["AXYD", "AYXD"], "START seq A, A and X, A and Y, X and D, Y and D, D seq END", [{"X", "Y"}]),
    "three at once": (["A" + order + "D" for order in orders(*"XYZ")],
                      "START seq A, A and X, A and Y, A and Z, X and D, Y and D, Z and D, D seq END", [{"X", "Y", "Z"}]),
    "two steps beside one": (["ABCXD", "ABXCD", "AXBCD"],
                             "START seq A, A and B, A and X, B seq C, C and D, X and D, D seq END", [{"BC", "X"}]),
    "at once, again and again": (["AXYD", "AYXD", "AXYDAYXD", "AYXDAXYDAXYD", "AYXDAYXD"],
                                 "START seq A, A and X, A and Y, X and D, Y and D, D loop A, D seq END", [{"X", "Y"}]),
    "choice in a loop": (["ABDE", "ACDE", "ABDCDE", "ACDBDE", "ABDBDE", "ACDCDE"],
                         "START seq A, A or B, A or C, B seq D, C loop D, D loop B, D or C, D or E, E seq END", []),
}


@pytest.mark.parametrize("build", [by_model, by_density])
@pytest.mark.parametrize("name", TRUTH)
def test_workflow_of_known_tasks_is_the_true_one(name, build):
    words, expected, expected_blocks = TRUTH[name]
    workflow = build(sequences_of(words))
    if name == "choice in a loop":  # which of two equal ways round is called the loop is nobody's truth
        assert {edge.replace("loop", "or").replace("seq", "or") for edge in edges(workflow)} == {
            edge.replace("loop", "or").replace("seq", "or") for edge in expected.split(", ")}
    else:
        assert edges(workflow) == set(expected.split(", "))
    assert blocks(workflow) == expected_blocks


def test_segment_that_tasks_share_is_told_apart_by_histories_and_not_by_density():
    sequences = sequences_of(["ABCXY", "DBCZW"])
    assert edges(by_model(sequences)) == set("START or A, A seq B, B seq C, C seq X, X seq Y, Y seq END, "
                                             "START or D, D seq B', B' seq C', C' seq Z, Z seq W, W seq END".split(", "))
    assert edges(by_density(sequences)) == set("START or A, START or D, A seq B, D seq B, B seq C, C or X, C or Z, "
                                               "X seq Y, Z seq W, Y seq END, W seq END".split(", "))


@pytest.mark.parametrize("build", [by_model, by_density])
def test_choice_that_a_loop_makes_both_ways_is_no_concurrency(build):
    workflow = build(sequences_of(["ABDCDE", "ACDBDE"]))
    assert blocks(workflow) == []


def test_tasks_with_the_same_end_of_a_shared_segment_share_its_nodes():
    assert edges(by_model(sequences_of(["ABCX", "EBCX", "DBCZ"]))) == set(
        "START or A, START or E, START or D, A seq B, E seq B, B seq C, C seq X, X seq END, "
        "D seq B', B' seq C', C' seq Z, Z seq END".split(", "))


@pytest.mark.parametrize("weight, kept", [(0.5, {(7, 2), (8, 2)}), (0.01, set())])
def test_context_needs_support(weight, kept):
    places = [Place((0, 7, 2), 2, frozenset({3}), 1 - weight), Place((0, 8, 2), 2, frozenset({4}), weight)]
    assert separating(places, 5) == kept


def test_branch_chosen_earlier_is_remembered_and_free_choices_are_not():
    assert edges(by_model(sequences_of(["ABDX", "ACDY"]))) == set(
        "START seq A, A or B, A or C, B seq D, C seq D', D seq X, D' seq Y, X seq END, Y seq END".split(", "))
    assert "D or X" in edges(by_model(sequences_of(["ABDX", "ACDY", "ABDY", "ACDX"])))


def test_order_that_the_task_decides_is_no_concurrency():
    workflow = by_model(sequences_of(["AXYD", "BYXE"]))
    assert blocks(workflow) == []
    assert edges(workflow) == set("START or A, A seq X, X seq Y', Y' seq D, D seq END, "
                                  "START or B, B seq Y, Y seq X', X' seq E, E seq END".split(", "))


def test_model_that_expects_everything_makes_no_concurrency_where_the_order_is_fixed():
    sequences = sequences_of(["ABCD", "ABD"])
    flat = np.full(N_EVENTS, 1 / N_EVENTS)
    workflow = from_model(sequences, np.ones(2), lambda histories: np.stack([flat] * len(histories)), epsilon=0.05, rare=0.001,
                          history=50, longest=6)
    assert edges(workflow) == set("START seq A, A seq B, B or C, B or D, C seq D, D seq END".split(", "))


def test_two_steps_that_are_neighbours_beside_one_need_the_model():
    sequences = sequences_of(["ABCXD", "AXBCD"])
    assert blocks(by_model(sequences)) == [{"BC", "X"}]
    assert blocks(by_density(sequences)) == []  # X comes within three steps of A, not two


def test_task_begins_where_a_path_goes_on_alone_and_a_short_one_is_a_branch():
    workflow = by_model(sequences_of(["ABCDE", "AVWXYZ"]))
    task = dict(zip(named(workflow), workflow.tasks.tolist()))
    assert len({task["A"], task["B"], task["V"]}) == 3 and task["B"] == task["E"] and task["V"] == task["Z"]
    assert set(by_model(sequences_of(["ABD", "ACD"])).tasks[2:]) == {1}


def test_step_that_the_model_does_not_believe_is_no_edge():
    sequences = sequences_of(["ABCD", "ADCD"])
    assert "A or D" in edges(by_model(sequences, np.array([20.0, 10]), rare=0.01))
    workflow = by_model(sequences, np.array([2000.0, 1]), rare=0.01)
    assert edges(workflow) == set("START seq A, A seq B, B seq C, C seq D, D seq END".split(", "))


def test_step_of_training_that_the_model_would_not_take_is_no_edge():
    sequences, weights = sequences_of(["ABCD", "ADCD"]), np.ones(2)
    workflow = from_model(sequences, weights, counted(sequences[:1], weights), epsilon=0.05, rare=0.001, history=50, longest=6)
    assert edges(workflow) == set("START seq A, A seq B, B seq C, C seq D, D seq END".split(", "))


def test_rare_way_closes_no_loop_and_begins_no_task():
    words = {"ABD": 1000, "ACBD": 100, "AVWXYCD": 100, "ABCD": 5}
    assert "C or B" in edges(by_density(sequences_of(words), np.array(list(words.values()), float)))
    workflow = by_model(sequences_of(["ABCDE", "VWXYZDE"]), np.array([20.0, 1]))
    task = dict(zip(named(workflow), workflow.tasks.tolist()))
    assert task["C"] == task["D"] != task["Z"]


def test_probabilities_are_shares_of_what_was_seen():
    workflow = by_model(sequences_of(["AB", "AC"]), np.array([3.0, 1]))
    names = named(workflow)
    shares = {names[v]: float(p) for (u, v), p in zip(workflow.edges, workflow.probabilities) if names[u] == "A"}
    assert shares == {"B": 0.75, "C": 0.25}


def test_density_counts_followers_within_a_distance():
    q = followed([(0, 1, 2), (0, 2, 1), (0, 1, 1)], np.array([2.0, 1, 1]), 3, 2)
    np.testing.assert_allclose(q[0, 0], [0, 3 / 4, 1 / 4])
    np.testing.assert_allclose(q[1, 0], [0, 1, 3 / 4])  # each once, however often it comes
    np.testing.assert_allclose(q[0, 1], [0, 1 / 5, 2 / 5])


def test_density_finds_chains_and_leaves_out_their_parts():
    sequences = [(0, 1, 2, 3), (4, 5, 6), (4, 5, 6, 0, 1, 2, 3)]
    assert tasks(followed(sequences, np.ones(3), 7, 5), 0.9) == [(0, 1, 2, 3), (4, 5, 6)]


def test_blocks_are_components_and_branches_what_has_an_order():
    assert blocks_of([(2, 3), (2, 4), (6, 7)]) == [Block((frozenset({2}), frozenset({3, 4}))), Block((frozenset({6}), frozenset({7})))]
    block = blocks_of([(2, 3)])
    assert [item.what for item in itemised((5, 2, 2, 3, 5, 2, 5), block)] == [5, -1, 5, 2, 5]  # half a block is none


def course(workflow, word, cut=False):
    return Follower(workflow).course([EVENT.get(letter, UNKNOWN) for letter in word], cut)


def test_follower_accepts_any_order_of_branches_and_nothing_short_of_all():
    workflow = by_model(sequences_of(["ABCXD", "ABXCD", "AXBCD"]))
    for word in ("ABCXD", "ABXCD", "AXBCD"):
        assert course(workflow, word).departures == [] and course(workflow, word).ended
    assert course(workflow, "ABCD").departures == [3]  # X has not come
    assert course(workflow, "ACBXD").departures[0] == 1
    assert not course(workflow, "ABXC").ended


def test_follower_accepts_more_orders_than_training_showed():
    words = ["A" + order + "E" for order in orders(*"WXYZ")]
    workflow = by_model(sequences_of(words[::2]))
    assert blocks(workflow) == [{"W", "X", "Y", "Z"}]
    assert all(course(workflow, word).departures == [] for word in words)


def test_follower_goes_round_a_loop_as_often_as_it_likes():
    assert course(by_model(sequences_of(TRUTH["loop"][0])), "A" + "BC" * 20 + "D") == ([], frozenset({5}), 41, True)


def test_follower_goes_on_where_the_event_stands_and_skips_strangers():
    workflow = by_model(sequences_of(["ABCDE"]))
    assert course(workflow, "ABDE").departures == [2]
    assert course(workflow, "AB?CDE").departures == [2]
    late = course(workflow, "BCDA")
    assert late.departures == [0, 3] and late.last == -1 and not late.ended


def test_follower_begins_anywhere_in_a_cut_window():
    workflow = by_model(sequences_of(["ABCXDE", "ACBXDE"]))
    for word in ("XDE", "CXDE", "BCXD", "E", "ABCX"):
        assert course(workflow, word, cut=True).departures == []
    assert course(workflow, "XDE").departures == [0] and course(workflow, "DXE", cut=True).departures == [1, 2]


def test_follower_tells_tasks_apart_that_share_a_segment():
    workflow = by_model(sequences_of(["ABCXY", "DBCZW"]))
    wrong = course(workflow, "ABCZW")
    assert wrong.departures == [3]
    assert Follower(workflow).expected(wrong.left) == [(EVENT["X"], 1.0)]


@st.composite
def trees(draw):
    """Sessions of a random workflow: parts in a row, each one step, a choice, two at once, or a loop; every letter once."""
    letters, alternatives = iter(LETTERS), []
    for kind in draw(st.lists(st.sampled_from(["step", "choice", "both", "loop"]), min_size=1, max_size=5)):
        a, b = next(letters), next(letters)
        alternatives.append({"step": [a + b], "choice": [a, b], "both": [a + b, b + a], "loop": [a + b, a + b + a + b]}[kind])
    return ["".join(parts) for parts in itertools.product(*alternatives)]


@settings(max_examples=40, deadline=None)
@given(trees(), st.sampled_from([by_model, by_density]))
def test_sessions_can_be_followed_through_their_own_workflow(words, build):
    workflow = build(sequences_of(words), rare=0.0)
    follower = Follower(workflow)
    for sequence in sequences_of(words):
        done = follower.course(list(sequence), False)
        assert done.departures == [] and done.ended


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ABCDE", min_size=1, max_size=6), min_size=1, max_size=8), st.sampled_from([by_model, by_density]))
def test_any_sessions_at_all_can_be_followed_through_their_own_workflow(words, build):
    follower = Follower(build(sequences_of(words), rare=0.0))
    for sequence in sequences_of(words):
        assert follower.course(list(sequence), False).departures == [] and follower.course(list(sequence), False).ended


def windows(*words, T=8):
    return Windows(to_windows([[EVENT.get(letter, UNKNOWN) for letter in word] for word in words], T))


class Key:
    """Stands for a fitted deeplog_key: the same answer by counting."""

    def __init__(self, ask):
        self.ask = ask

    def log_p(self, asked):
        rows = [[tuple(row[:at].tolist()) for at in range(len(row) + 1)] for row in asked.events]
        real = np.array([[0 not in history for history in row] for row in rows])
        found = np.full((*real.shape, N_EVENTS), 1.0 / N_EVENTS)
        found[real] = self.ask([history for row in rows for history in row if 0 not in history])
        with np.errstate(divide="ignore"):
            return np.log(found)


@pytest.fixture(params=["model", "clustering"])
def detector(request):
    words = ["AXYD", "AYXD", "AXYDBC"]
    made = deeplog_workflow.Detector.create(deeplog_workflow.Config(method=request.param), Sizes(N_EVENTS))
    assert made.fit(windows(*words), fitted={"deeplog_key": Key(counted(sequences_of(words), np.ones(len(words))))}) == []
    return made


def test_detector_counts_steps_that_leave_the_workflow(detector):
    scores = detector.score(windows("AXYD", "AYXDBC", "AXYDB", "AXD", "EAXYD", "A", "", "VWXYZ"))
    np.testing.assert_array_equal(scores[:7], [0, 0, 1, 1, 1, 1, 0])
    assert scores.dtype == np.float32 and scores[7] >= 3 and detector.threshold == 0.5
    assert detector.score(windows()).shape == (0,)


def test_detector_explains_after_which_step_what_was_expected_and_what_came(detector):
    asked = windows("AXDB", "AXYDB", "AXYD", "E")
    left = detector.explain(asked, 0)
    assert (left.code, left.position, left.expected) == ("workflow", 2, ((EVENT["Y"], 1.0),))
    assert left.detail == {"after": EVENT["X"], "came": EVENT["D"]} and left.contrib[:2].tolist() == [0, 0] and left.contrib[2] >= 0.5
    early = detector.explain(asked, 1)
    assert (early.code, early.position, early.expected) == ("truncated", 4, ((EVENT["C"], 1.0),))
    assert early.detail == {"after": EVENT["B"], "came": 0}
    assert detector.explain(asked, 2).contrib.tolist() == [0.25] * 4 + [0] * 4
    stranger = detector.explain(asked, 3)
    assert stranger.detail == {"after": 0, "came": EVENT["E"]} and stranger.expected == ((EVENT["A"], 1.0),)
    json.dumps([dict(reason.detail) for reason in (left, early, stranger)])


def test_detector_is_small_arrays_and_comes_back_from_them(detector):
    assert {array.dtype.name for array in detector.params.values()} == {"int32", "uint8", "float32"}
    twin = deeplog_workflow.Detector(detector.config, {name: array.copy() for name, array in detector.params.items()})
    asked = windows("AXYD", "AXD", "VV")
    np.testing.assert_array_equal(twin.score(asked), detector.score(asked))


@pytest.mark.parametrize("method", ["model", "clustering"])
def test_detector_of_a_stream_begins_and_ends_anywhere(method):
    words = ["ABCD" * 2, "BCDA" * 2, "CDAB" * 2, "DABC" * 2]
    made = deeplog_workflow.Detector.create(deeplog_workflow.Config(method=method), Sizes(N_EVENTS, whole=False))
    endless = counted(sequences_of(["ABCD" * 20]), np.ones(1))  # the model of a stream knows no end
    made.fit(windows(*words), fitted={"deeplog_key": Key(endless)})
    np.testing.assert_array_equal(made.score(windows("CDABC", "DA", "ABDA")), [0, 0, 1])


def test_detector_without_what_it_is_built_from_says_so():
    with pytest.raises(ConfigError, match="no method 'guess'; there are: clustering, model"):
        deeplog_workflow.Detector.create(deeplog_workflow.Config(method="guess"), Sizes(N_EVENTS))
    made = deeplog_workflow.Detector.create(deeplog_workflow.Config(), Sizes(N_EVENTS))
    with pytest.raises(ConfigError, match="deeplog_key, which was not fitted"):
        made.fit(windows("AB"), fitted={})
    np.testing.assert_array_equal(made.score(windows("AB", "")), [2, 0])  # before it is fitted no event can follow


NAUGHTY = {EVENT["A"]: 'says "hello\\" <*>', EVENT["X"]: "two\nlines\ttab", EVENT["Y"]: "plain"}
STRING = r'"(?:[^"\\\n]|\\.)*"'
STATEMENT = re.compile(rf'(?P<node>n\d+ \[label={STRING}(?:, shape=oval)?\];)|(?P<edge>n\d+ -> n\d+ \[label={STRING}, style=\w+\];)'
                       r'|subgraph cluster_\d+ \{|label="in any order";|node \[shape=box\];|\}')


@pytest.mark.parametrize("words", [["AXYD", "AYXD"], ["ABC", "ABBC"], ["ABCXY", "DBCZW"]])
def test_dot_is_graphviz_with_every_node_and_edge(words):
    workflow = by_model(sequences_of(words))
    source = printing.dot(workflow, lambda event: NAUGHTY.get(event, str(event)))
    first, *lines = source.rstrip("\n").split("\n")
    assert first == "digraph workflow {" and source.count("{") == source.count("}")
    found = [STATEMENT.fullmatch(line.strip()) for line in lines]
    assert all(found)
    assert sum(match["node"] is not None for match in found) == len(workflow.events)
    assert sum(match["edge"] is not None for match in found) == len(workflow.edges)
    if shutil.which("dot"):
        assert subprocess.run(["dot", "-Tsvg"], input=source.encode(), capture_output=True, check=True).stdout.startswith(b"<?xml")


def test_text_has_a_line_for_each_node_with_arrows_and_templates():
    printed = printing.text(by_model(sequences_of(["AXYD", "AYXD"])), lambda event: f"event {LETTERS[event - FIRST_EVENT]}")
    assert printed.split("\n", 1)[1] == """START  -> 2 100%
task 1
  2 event A  &> 3 100%  &> 4 100%
  at the same time, in any order:
    branch 1
      3 event X  &> 5 100%
    branch 2
      4 event Y  &> 5 100%
  5 event D  -> END 100%
"""


def stored(path, fitted):
    """A model file that knows the letters as templates."""
    parser = Parser(FORMATS["ids"].content_of, [Template(f"E{letter}", f'step "{letter}" <*>') for letter in LETTERS])
    order = np.arange(parser.n_known)
    frequency, thresholds = np.ones(N_EVENTS, np.float32), dict.fromkeys(fitted, 0.5)
    Model("made", "ids", parser, WindowSpec("session", 8), order, frequency, fitted, thresholds).save(path)
    return str(path)


def test_command_prints_the_workflow_of_a_model_file(tmp_path, capsys, detector):
    path = stored(tmp_path / "m.tinylog", {"deeplog_workflow": detector})
    assert command.main(["-m", path]) == 0
    assert '2 EA step "A" <*>  &> 3 100%' in capsys.readouterr().out
    assert command.main(["-m", path, "--dot"]) == 0
    assert 'n2 [label="2 EA step \\"A\\" <*>"];' in capsys.readouterr().out


def test_command_refuses_a_model_without_a_workflow(made):
    with pytest.raises(InputError, match="holds no workflow; train one with .*--detector deeplog_workflow"):
        command.main(["-m", str(made.model)])


@pytest.mark.slow
def test_hdfs_replicas_are_written_at_the_same_time_and_deleted_in_a_loop(data):
    """The names of the events are those of hdfs/templates.csv."""
    lines = Counter((data / "hdfs" / "hdfs_train").read_text().split("\n"))
    kinds = {tuple(1 + int(event) for event in line.split()): n for line, n in lines.items() if line.strip()}
    sequences, weights = list(kinds), np.array(list(kinds.values()), float)
    workflow = from_model(sequences, weights, counted(sequences, weights, 5, 40), epsilon=0.05, rare=0.0005, history=50, longest=6)
    assert len(workflow.events) < 60
    names = workflow.events - 1
    found = [{frozenset(names[(workflow.blocks == block) & (workflow.branches == branch)].tolist())
              for branch in set(workflow.branches[workflow.blocks == block])} for block in range(1, workflow.blocks.max() + 1)]
    assert {frozenset({5}), frozenset({22})} in found  # receiving, allocating
    assert {frozenset({9, 11}), frozenset({26})} in found  # received and its responder's end, added
    loops = {names[u] for (u, v), kind in zip(workflow.edges, workflow.kinds) if u == v and KINDS[kind] == "loop"}
    assert {5, 26, 23, 21} <= loops
    follower = Follower(workflow)
    left = np.array([bool(follower.course(list(sequence), False).departures) for sequence in sequences])
    assert (left * weights).sum() < 0.01 * weights.sum()

"""A workflow for people: as text, a node a line, and as Graphviz DOT."""
from __future__ import annotations

from collections.abc import Callable

from .graph import END, START, Workflow

ARROWS = {"seq": "->", "or": "?>", "and": "&>", "loop": "<-"}  # a loop goes back
LEGEND = "-> then, ?> or, &> into or out of concurrent branches, <- back to; n: number of the node, %: how often"

Named = Callable[[int], str]  # event id -> its name and text


def text(workflow: Workflow, named: Named) -> str:
    """A line for each node: its number, its event, and where its edges lead; blocks and their branches under their own heads."""
    lines, head, following = [LEGEND], (0, 0, 0), workflow.successors()
    for node in sorted(set(range(len(workflow.events))) - {END}, key=lambda node: (workflow.tasks[node], node)):
        task, block, branch = (int(column[node]) for column in (workflow.tasks, workflow.blocks, workflow.branches))
        if task != head[0]:
            lines.append(f"task {task}")
        if block and (task, block) != head[:2]:
            lines.append("  at the same time, in any order:")
        if block and (task, block, branch) != head:
            lines.append(f"    branch {branch}")
        head = task, block, branch
        edges = "  ".join(f"{ARROWS[kind]} {_number(target)} {_percent(p)}" for target, kind, p in following[node])
        lines.append(("      " if block else "  " if task else "") + f"{_label(workflow, node, named)}  {edges}")
    return "\n".join(lines) + "\n"


def dot(workflow: Workflow, named: Named) -> str:
    """The Graphviz source: blocks are clusters, loops dashed, and-edges bold."""
    looks = {"seq": "solid", "or": "solid", "and": "bold", "loop": "dashed"}
    lines = ["digraph workflow {", "  node [shape=box];"]
    lines += [f'  n{node} [label="{name}", shape=oval];' for node, name in ((START, "START"), (END, "END"))]
    for block in range(int(workflow.blocks.max()) + 1):
        own = [f"  n{node} [label={_quoted(_label(workflow, node, named))}];"
               for node in range(END + 1, len(workflow.events)) if workflow.blocks[node] == block]
        if block:
            own = [f"  subgraph cluster_{block} {{", '    label="in any order";', *("  " + line for line in own), "  }"]
        lines += own
    for source, edges in enumerate(workflow.successors()):
        lines += [f'  n{source} -> n{target} [label="{kind} {_percent(p)}", style={looks[kind]}];' for target, kind, p in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _label(workflow: Workflow, node: int, named: Named) -> str:
    """What a node is called, on one line."""
    name = "START" if node == START else f"{node} {named(int(workflow.events[node]))}"
    return "".join(char if char.isprintable() else " " for char in name)


def _number(node: int) -> str:
    return "END" if node == END else str(node)


def _percent(p: float) -> str:
    return f"{100 * p:.0f}%" if p >= 0.01 else "<1%"


def _quoted(label: str) -> str:
    """A DOT string: backslashes and quotes escaped."""
    return '"' + label.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""The shape of the package: who imports whom, what a fresh interpreter loads, where print and random numbers may stand."""
import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinylog

ROOT = Path(tinylog.__file__).parent
BASE = {"records", "errors"}
FLOW = BASE | {"reading", "parsing", "windowing"}
MODEL = FLOW | {"pipeline", "embedding", "workflows", "detectors", "modelfile", "compression", "streaming", "live", "model"}
COMMAND = MODEL | {"console", "output"}
MAY_IMPORT = {
    "records": set(),
    "errors": set(),
    "console": {"errors", "model", "output", "pipeline", "reading", "records"},
    "output": BASE,
    "handler": MODEL | {"output"},
    "layers": set(),
    "metrics": set(),
    "compression": set(),
    "losses": {"layers"},
    "reading": BASE,
    "parsing": BASE,
    "windowing": BASE,
    "embedding": BASE,
    "pipeline": FLOW,
    "workflows": BASE,
    "detectors": BASE | {"layers", "losses", "embedding", "workflows"},
    "modelfile": BASE,
    "live": FLOW | {"pipeline", "detectors", "layers"},
    "streaming": FLOW | {"pipeline", "embedding", "output"},
    "model": MODEL - {"model"},
    "training": MODEL | {"layers", "losses", "metrics"},
    "detect": COMMAND | {"training"},  # where no model is given, and only then: see the test of what is loaded
    "parse": COMMAND,
    "doctor": COMMAND,
    "evaluate": COMMAND | {"metrics"},
    "train": COMMAND | {"training", "metrics"},
    "feedback": COMMAND | {"training"},
    "workflow": COMMAND | {"workflows"},
    "__init__": {"model", "records", "errors"},
    "__main__": set(),
}
FILES = sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """Parts of tinylog that a file imports anywhere, in functions too; not what only a type checker sees."""
    here = ("tinylog", *path.relative_to(ROOT).parts[:-1])
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
            names = [base] if len(base) > 1 else [(*base, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [tuple(node.module.split("."))]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        found |= {name[1] for name in names if name[0] == "tinylog" and len(name) > 1}
    return found - {part_of(path), "__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_imports_only_what_its_part_may(path):
    assert imported_parts(path) <= MAY_IMPORT[part_of(path)]


def test_import_table_has_no_circle():
    left = {part: set(may) for part, may in MAY_IMPORT.items()}
    while left:
        ready = [part for part, may in left.items() if not may & set(left) - {part}]
        assert ready, f"a circle among {sorted(left)}"
        for part in ready:
            del left[part]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_has_no_print_no_global_random_and_no_name_twice(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"print in line {node.lineno}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np.random":
            assert node.attr in ("Generator", "default_rng"), f"global random state in line {node.lineno}"
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        names = [node.name for node in scope.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["detect", "parse", "doctor", "train", "evaluate", "feedback", "workflow"])
def test_command_imports_console_before_anything_that_loads_numpy(name):
    """More BLAS threads than one make training ten times slower on a busy machine, and NumPy reads their number once."""
    body = ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8")).body
    ours = [node for node in body if isinstance(node, ast.ImportFrom) and node.level or isinstance(node, ast.Import) and node.names[0].name == "numpy"]
    assert isinstance(ours[0], ast.ImportFrom) and ours[0].module == "console"
    code = ASKED_FOR_NUMPY + f"import tinylog.{name}"
    free = {key: value for key, value in os.environ.items() if not key.endswith("NUM_THREADS")}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, env=free).stdout == b"1"


ASKED_FOR_NUMPY = """
import os, sys
class Finder:
    def find_spec(self, name, *more):
        if name == "numpy":
            sys.stdout.write(os.environ.get("OPENBLAS_NUM_THREADS", "as many as there are"))
            sys.exit()
sys.meta_path.insert(0, Finder())
"""


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json\nsys.stdout.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_import_tinylog_loads_no_numpy():
    assert "numpy" not in modules_after("import tinylog")


def test_detect_loads_numpy_and_the_standard_library_alone():
    code = "from tinylog import detectors, detect, parse\nfor name in detectors.names(): detectors.load(name)"
    loaded = modules_after(code)
    tops = {name.split(".")[0] for name in loaded}
    plain = {name.split(".")[0] for name in modules_after("import numpy")}
    strangers = {top for top in tops - plain - sys.stdlib_module_names - {"tinylog"} if not top.startswith("_")}
    assert not strangers
    assert not [name for name in loaded if name.startswith("tinylog.training")]


def test_public_names_are_the_documented_ones():
    for name in tinylog.__all__:
        assert getattr(tinylog, name) is not None
    readme = (ROOT.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in tinylog.__all__ if name != "__version__")


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tinylog.nothing

"""Imports go down the floors, starting is fast, and the exact floors stand alone."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "detvar"
FLOORS = {
    "errors": 0,
    "exact": 1,
    "homotopy": 2,
    "varieties": 3,
    "losses": 4,
    "networks": 5,
    "classify": 6,
    "critical": 7,
    "optimality": 8,
    "landscape": 8,
    "studies": 9,
    "show": 10,
    "cli": 11,
}
# Above all floors: they only list names and start the command line.
ROOF = {"__init__", "__main__"}
# Constants of the package itself that any floor may read.
CONSTANTS = {"__version__"}
# A text that is nothing but a module name, as handed to importlib.
LAZY_NAME = re.compile(r"detvar(\.[a-z_]+)+\Z")
MODULES = sorted(PACKAGE.rglob("*.py"))
LIGHT = {"exact", "varieties", "losses", "networks", "classify", "critical"}
HEAVY = {"numpy", "networkx", "matplotlib", "sympy", "scipy", "torch", "numba", "dask"}


def relative_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def part_of(path: Path) -> str:
    """The folder or file of detvar/ that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every (line, dotted name) a module imports anywhere, in functions too."""
    package = dotted(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])
        elif isinstance(node, ast.Constant) and LAZY_NAME.match(str(node.value)):
            yield node.lineno, str(node.value)


def upward_edges(path: Path) -> list[str]:
    part = part_of(path)
    if part in ROOF:
        return []
    edges = []
    for line, name in imported(path):
        steps = name.split(".")
        if steps[0] != "detvar" or (len(steps) == 2 and steps[1] in CONSTANTS):
            continue
        target = steps[1] if len(steps) > 1 else "__init__"
        if FLOORS.get(target, 99) > FLOORS[part]:
            edges.append(f"{relative_name(path)}:{line} imports {name}, which is higher up")
    return edges


def test_every_folder_and_file_has_a_floor() -> None:
    parts = {part_of(path) for path in MODULES}
    assert parts <= set(FLOORS) | ROOF


def test_imports_only_go_down() -> None:
    edges = [edge for path in MODULES for edge in upward_edges(path)]
    assert not edges, "\n".join(edges)


@pytest.mark.parametrize(
    "line",
    [
        "from detvar.critical import critical_points",
        "import detvar.show.tables",
        "from detvar import classify",
        "from detvar import LinearNetwork",
        "import detvar",
        "from ..classify import decide",
        "from .. import show",
        "def f():\n    from detvar.cli import main",
        "HOME = 'detvar.critical.locus'",
    ],
)
def test_the_check_sees_an_edge_that_goes_up(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "detvar" / "networks" / "bad.py"
    module.parent.mkdir(parents=True)
    module.write_text(line + "\n", encoding="utf-8")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "detvar")
    assert len(upward_edges(module)) == 1


def test_only_exact_knows_flint() -> None:
    guilty = [
        f"{relative_name(path)}:{line}"
        for path in MODULES
        if part_of(path) != "exact"
        for line, name in imported(path)
        if name.split(".")[0] == "flint"
    ]
    assert not guilty


def at_module_level(path: Path) -> Iterator[tuple[int, str]]:
    """Imports that run when the module is imported: outside functions and TYPE_CHECKING blocks."""
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""
        todo.extend(ast.iter_child_nodes(node))


def test_exact_floors_load_no_heavy_library() -> None:
    guilty = [
        f"{relative_name(path)}:{line} imports {name} at module level"
        for path in MODULES
        if part_of(path) in LIGHT
        for line, name in at_module_level(path)
        if name.split(".")[0] in HEAVY
    ]
    assert not guilty, "\n".join(guilty)


def test_no_module_is_longer_than_500_lines() -> None:
    lengths = {
        relative_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES
    }
    assert {name: n for name, n in lengths.items() if n > 500} == {}


# --- starting -----------------------------------------------------------------------------------


def python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_takes_less_than_a_tenth_of_a_second() -> None:
    code = """
        from time import process_time
        start = process_time()
        import detvar
        print(process_time() - start)
    """
    assert min(float(python(code)) for _ in range(5)) < 0.1


def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    # processor time of the child, which a busy machine does not lengthen
    code = """
        import os, subprocess, sys
        subprocess.run([sys.executable, "-m", "detvar", "--help"], check=True, capture_output=True)
        print(os.times().children_user + os.times().children_system)
    """
    assert min(float(python(code)) for _ in range(5)) < 0.3


def test_import_loads_no_library() -> None:
    loaded = python("import detvar, sys; print(*sys.modules)").split()
    assert not {name.split(".")[0] for name in loaded} & (HEAVY | {"flint"})


def test_exact_floors_work_without_numpy_networkx_and_matplotlib() -> None:
    printed = python(
        """
        import sys
        for name in ("numpy", "networkx", "matplotlib"):
            sys.modules[name] = None
        import detvar as dv

        net = dv.LinearNetwork(2, 1, 2)
        loss = dv.SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
        print(dv.classify(net, loss, [[[1, 0]], [[2], [0]]]).nature)
        print(dv.DeterminantalVariety(3, 3, 1).degree)
        print(net.fiber(0).dimension)
        print(len(dv.critical_locus(net, loss).components) > 0)
        """
    )
    # diag(2, 0) is the best rank-1 approximation of diag(2, 1) (Eckart, Young 1936);
    # 3×3 matrices of rank 1 have degree 6 (Segre variety P²×P², C(4, 2));
    # {(x, y) ∈ R²×R² : yxᵀ = 0} is {x = 0} ∪ {y = 0}, of dimension 2
    assert printed.split() == ["global_minimum", "6", "2", "True"]


# --- public names -------------------------------------------------------------------------------


def public_objects() -> list[tuple[str, object]]:
    import detvar

    found = [(f"detvar.{name}", getattr(detvar, name)) for name in detvar.__all__]
    for path in MODULES:
        if path.name != "__init__.py" or path.parent == PACKAGE:
            continue
        folder = importlib.import_module(dotted(path))
        names = getattr(folder, "__all__", [])
        found += [(f"{folder.__name__}.{x}", getattr(folder, x)) for x in names]
    return found


def test_every_public_name_has_a_docstring() -> None:
    objects = public_objects()
    bare = []
    for name, thing in objects:
        if not (inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)):
            continue
        own = thing.__dict__.get("__doc__") if inspect.isclass(thing) else inspect.getdoc(thing)
        # a dataclass without a docstring gets its signature as one
        if not own or (inspect.isclass(thing) and own.startswith(f"{thing.__name__}(")):
            bare.append(name)
        if inspect.isclass(thing) and thing.__module__.startswith("detvar"):
            bare += [
                f"{name}.{attribute}"
                for attribute, value in vars(thing).items()
                if not attribute.startswith("_")
                and (inspect.isfunction(value) or isinstance(value, (property, classmethod)))
                and not inspect.getdoc(value)
            ]
    assert len(objects) > 30
    assert not bare, bare


def test_public_names_resolve_whatever_is_imported_first() -> None:
    printed = python(
        """
        import detvar.classify
        import detvar as dv
        from detvar import classify
        from detvar.classify import classify as function
        net = dv.LinearNetwork(1, 1)
        loss = dv.SquaredLoss([[1]], [[1]])
        for f in (dv.classify, classify, function, detvar.classify.classify):
            print(f(net, loss, [[[1]]]).nature)
        """
    )
    assert printed.split() == ["global_minimum"] * 4


def test_public_names_are_listed() -> None:
    import detvar

    assert list(detvar.__all__) == sorted(detvar.__all__)
    assert set(detvar.__all__) <= set(dir(detvar))
    with pytest.raises(AttributeError, match="LinearNetwork"):
        detvar.NoSuchName  # noqa: B018

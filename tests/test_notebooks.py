"""Every notebook runs from top to bottom and prints what it was committed with."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
# other systems whose output a notebook shows
NEEDS = {"04_critical_equations": ("Singular", "M2")}
# optional packages that a notebook imports
PACKAGES = {
    "05_is_it_a_global_minimum": ("torch", "sklearn"),
    "06_alpha_beta": ("torch", "sklearn", "mlxtend"),
}


def outputs(notebook: Any) -> list[str]:
    """Return the printed text of every code cell; pictures are left to the eye, and lines of
    progress, which come on standard error, to those who wait."""
    out = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # how the text is cut into pieces depends on the time it takes
            out.append("".join(o.text for o in cell.outputs if o.get("name") == "stdout"))
    return out


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs_and_prints_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    missing = [name for name in NEEDS.get(path.stem, ()) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"it shows the output of {' and '.join(missing)}, not installed here")
    missing = [name for name in PACKAGES.get(path.stem, ()) if find_spec(name) is None]
    if missing:
        pytest.skip(f"it imports {' and '.join(missing)}, not installed here")
    monkeypatch.setenv("PYTHONPATH", str(path.parent.parent))
    notebook = nbformat.read(path, as_version=4)
    committed = outputs(notebook)
    assert any(committed), "the notebook was not executed"
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert outputs(notebook) == committed

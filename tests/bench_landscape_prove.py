"""How long proofs of the condition (α, β) take, with and without the check of the certificate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from detvar.landscape import examples
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove import prove

PROOFS: dict[str, tuple[Callable[[], FiniteSum], str, str, str]] = {
    "ex1 sturm": (examples.ex1, "5/2", "2", "sturm"),
    "ex2 boxes": (examples.ex2, "8796687", "8796679", "boxes"),
    "ex3 sturm": (examples.ex3, "1512.46", "1511.46", "sturm"),
    "ex3 boxes": (examples.ex3, "1512.46", "1511.46", "boxes"),
    "ex3 sos": (examples.ex3, "1512.46", "1511.46", "sos"),
    "ex6 sturm": (examples.ex6, "21", "20", "sturm"),
    "ex6 sos": (examples.ex6, "21", "20", "sos"),
    "ex6 boxes": (examples.ex6, "21", "20", "boxes"),
    "ex6 boxes tight": (examples.ex6, "20.7", "19.7", "boxes"),
    "d1 boxes": (examples.d1, "4.88", "3.88", "boxes"),
    "net sturm": (lambda: examples.scalar_net([1, 1], [2, "1/2"]), "7.12", "6.12", "sturm"),
    "net normal": (lambda: examples.scalar_net([1, 1], [2, "1/2"]), "7.12", "6.12", "normal"),
}


@pytest.mark.parametrize("name", PROOFS)
def test_prove(name: str, benchmark: Any) -> None:
    problem, alpha, beta, method = PROOFS[name]
    f = problem()
    assert benchmark.pedantic(lambda: prove(f, alpha, beta, method), rounds=3).answer is True


@pytest.mark.parametrize("name", PROOFS)
def test_verify(name: str, benchmark: Any) -> None:
    problem, alpha, beta, method = PROOFS[name]
    proof = prove(problem(), alpha, beta, method)
    assert benchmark.pedantic(proof.verify, rounds=3)

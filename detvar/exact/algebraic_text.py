"""Real algebraic numbers as text and as JSON.

A rational prints as p/q, a sum of square roots in closed form, anything else as a decimal of
which every digit is certain.  JSON keeps the minimal polynomial and a ball around the root.
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING, Any

from flint import arb, ctx, fmpq, fmpz, fmpz_poly

from detvar.errors import InputError
from detvar.exact.polynomials import irreducible_factors, polynomial_text
from detvar.exact.rational import rational, to_text
from detvar.exact.roots import Root, irreducible

if TYPE_CHECKING:
    from detvar.exact.algebraic import RealAlgebraic

_SURD_LIMIT = 10**12  # the largest number printed under a root sign


def decimal(x: RealAlgebraic, digits: int) -> str:
    """See `RealAlgebraic.decimal`."""
    sign = x.sign()
    if not sign:
        return "0"
    x = abs(x)
    mid, _, shift = x.enclosure(64).mid_rad_10exp(3)
    exponent = len(str(mid)) - 1 + int(shift)  # of the first digit, or one off: it only matters
    plain = -5 <= exponent < 16  # for the number of digits shown
    places = max(digits - 1 - exponent, 1) if plain else digits - 1 - exponent
    scale = fmpq(10) ** places
    number = x.floor(scale)
    text, minus = str(fmpz(number)), "-" if sign < 0 else ""
    q = x.as_rational()
    more = "" if q is not None and q * scale == number else "…"
    if plain:
        text = text.rjust(places + 1, "0")
        text = f"{text[:-places]}.{text[-places:]}"
        return minus + (text + more if more else text.rstrip("0").rstrip("."))
    head, tail = text[0], text[1:]
    return f"{minus}{head}{'.' + tail if tail else ''}{more}e{len(tail) - places}"


def short(x: RealAlgebraic) -> str:
    """Write `x` as p/q, with square roots, or as a decimal.

    >>> from detvar.exact.algebraic import square_root
    >>> print(2 - square_root(8) + square_root("3/4"))
    (4-4√2+√3)/2
    """
    q = x.as_rational()
    if q is not None:
        return to_text(q)
    if any(
        r.polynomial.degree > 2 or -r.polynomial.coefficients[0] > _SURD_LIMIT for r, _ in x.terms
    ):
        return decimal(x, 10)
    common = lcm(int(x.constant.q), *(int(a.q) for _, a in x.terms))
    numbers = [(x.constant * common, "")]
    numbers += [(a * common, f"√{-r.polynomial.coefficients[0]}") for r, a in x.terms]
    parts = ""
    for a, root in numbers:
        if a:
            size = "" if root and abs(a) == 1 else to_text(abs(a))
            parts += ("-" if a < 0 else "+" if parts else "") + size + root
    if common == 1:
        return parts
    several = sum(bool(a) for a, _ in numbers) > 1
    return f"({parts})/{common}" if several else f"{parts}/{common}"


def described(x: RealAlgebraic) -> str:
    """Write `x` with its minimal polynomial, where that costs nothing.

    >>> from detvar.exact.algebraic import square_root
    >>> square_root(2)
    RealAlgebraic(√2, root of x^2 - 2)
    """
    if len(x.terms) > 1 and not x.is_rational:
        return f"{short(x)}, a sum of {len(x.terms)} roots"
    return f"{short(x)}, root of {polynomial_text(x.minimal_polynomial().coeffs())}"


def to_json(x: RealAlgebraic) -> str | dict[str, Any]:
    """See `RealAlgebraic.to_json`."""
    q = x.as_rational()
    if q is not None:
        return to_text(q)
    if len(x.terms) == 1:
        return _root_to_json(x.canonical())
    return {
        "constant": to_text(x.constant),
        "terms": [{"coefficient": to_text(a), "root": _root_to_json(r)} for r, a in x.terms],
        "ball": list(_decimal_ball(x.enclosure(80), 20)),
    }


def _root_to_json(x: fmpq | Root) -> dict[str, Any]:
    assert isinstance(x, Root)
    f, digits = x.polynomial, 20
    while True:
        ball = _decimal_ball(x.ball(4 * digits), digits)
        if f.roots_between(*_ends(*ball)) == [x.index]:
            return {"minimal_polynomial": [str(c) for c in f.coefficients], "ball": list(ball)}
        digits *= 2


def _decimal_ball(ball: arb, digits: int) -> tuple[str, str]:
    """The decimal texts (mid, rad) of a ball around the given one."""
    with ctx.workprec(4 * digits + 64):
        mid, rad, exponent = ball.mid_rad_10exp(digits)
    return _decimal_text(mid, int(exponent)), _decimal_text(rad, int(exponent))


def _decimal_text(mantissa: fmpz, exponent: int) -> str:
    if exponent == 0 or not mantissa:
        return str(mantissa)
    if -40 <= exponent < 0 and len(str(abs(mantissa))) > -exponent:
        text = str(mantissa)
        return f"{text[:exponent]}.{text[exponent:]}"
    if abs(exponent) < 10**4:
        return f"{mantissa}e{exponent}"
    return to_text(mantissa * fmpq(10) ** exponent)


def _ends(mid: Any, rad: Any, name: str = "the ball") -> tuple[fmpq, fmpq]:
    m, r = rational(mid, f"{name}[0]"), rational(rad, f"{name}[1]")
    if r < 0:
        raise InputError(f"the radius in {name} is negative: write [mid, rad] with rad ≥ 0")
    return m - r, m + r


def from_json(
    data: Any, name: str
) -> tuple[fmpq, list[tuple[Root, fmpq]], tuple[fmpq, fmpq] | None]:
    """Return the constant, the terms, and the stated bounds; see `RealAlgebraic.from_json`."""
    if not isinstance(data, dict):
        return rational(data, name), [], None
    if set(data) == {"minimal_polynomial", "ball"}:
        return fmpq(0), [(_root_from_json(data, name), fmpq(1))], None
    if set(data) != {"constant", "terms", "ball"} or not isinstance(data["terms"], list):
        raise InputError(
            f'{name} has the fields {", ".join(sorted(map(str, data)))}: write "p/q", or '
            '{"minimal_polynomial": [...], "ball": [mid, rad]}'
        )
    pairs = []
    for i, term in enumerate(data["terms"]):
        where = f"{name}.terms[{i}]"
        if not isinstance(term, dict) or set(term) != {"coefficient", "root"}:
            raise InputError(f'{where} is not a term: write {{"coefficient": "p/q", "root": ...}}')
        a = rational(term["coefficient"], f"{where}.coefficient")
        pairs.append((_root_from_json(term["root"], f"{where}.root"), a))
    return rational(data["constant"], f"{name}.constant"), pairs, _ball_from_json(data, name)


def _ball_from_json(data: dict[str, Any], name: str) -> tuple[fmpq, fmpq]:
    ball = data["ball"]
    if not isinstance(ball, (list, tuple)) or len(ball) != 2:
        raise InputError(f'{name}.ball is not a ball: write ["1.4142", "0.0001"], mid and rad')
    return _ends(ball[0], ball[1], f"{name}.ball")


def _root_from_json(data: Any, name: str) -> Root:
    if not isinstance(data, dict) or set(data) != {"minimal_polynomial", "ball"}:
        raise InputError(f'{name} needs the fields "minimal_polynomial" and "ball", and no other')
    listed, where = data["minimal_polynomial"], f"{name}.minimal_polynomial"
    if not isinstance(listed, list) or len(listed) < 3:
        raise InputError(
            f"{where} is not a list of at least 3 integers from low to high degree: write a "
            'rational number as "p/q"'
        )
    coefficients = [rational(c, f"{where}[{i}]") for i, c in enumerate(listed)]
    if any(c.q != 1 for c in coefficients) or coefficients[-1] <= 0:
        raise InputError(f"{where} must have integer coefficients, the last one positive")
    f = fmpz_poly([c.p for c in coefficients])
    if f.content() != 1 or [e for _, e in irreducible_factors(f)] != [1]:
        raise InputError(f"{where} is not irreducible: give the minimal polynomial of the number")
    low, high = _ball_from_json(data, name)
    g = irreducible(f)
    inside = g.roots_between(low, high)
    if len(inside) != 1:
        raise InputError(
            f"{name}.ball contains {len(inside)} real roots of the polynomial: give a ball around "
            "exactly one"
        )
    return Root(g, inside[0])

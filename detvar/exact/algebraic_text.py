"""Real algebraic numbers as text and as JSON.

A rational prints as p/q, a sum of square roots in closed form, anything else as a decimal of
which every digit is certain.  JSON keeps the minimal polynomial and a ball around the root.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt, lcm, log
from typing import TYPE_CHECKING, Any

from flint import arb, fmpq, fmpz, fmpz_poly

from detvar.errors import InputError
from detvar.exact.polynomials import irreducible_factors, polynomial_text
from detvar.exact.rational import rational, to_text
from detvar.exact.roots import Root, floor_of, irreducible

if TYPE_CHECKING:
    from detvar.exact.algebraic import RealAlgebraic

_SURD_LIMIT = 10**12  # the largest number printed under a root sign


def leading(
    size: arb, floor: Callable[[fmpq], int], digits: int, base: int = 10
) -> tuple[int, int]:
    """Return (n, k) with n = ⌊y·baseᵏ⌋ of exactly `digits` digits, for a number y > 0.

    The result depends on y only, not on the ball: that gives no more than a first guess of k.

    Parameters
    ----------
    size : arb
        A ball around y with some bits of relative accuracy.
    floor : function
        s ↦ ⌊s·y⌋.
    """
    mantissa, exponent = size.mid().man_exp()
    places = digits - int((int(mantissa).bit_length() + int(exponent)) * log(2, base))
    while True:
        n = floor(fmpq(base) ** places)
        if n < base ** (digits - 1):
            places += 1
        elif n >= base**digits:
            places -= 1
        else:
            return n, places


def bounds(x: RealAlgebraic, bits: int) -> tuple[fmpq, fmpq]:
    """See `RealAlgebraic.bounds`."""
    sign, q = x.sign(), x.as_rational()
    if not sign:
        return fmpq(0), fmpq(0)
    x = abs(x)
    n, places = leading(x.enclosure(32), x.floor, bits, 2)
    low = n / fmpq(2) ** places
    high = low if q is not None and abs(q) == low else (n + 1) / fmpq(2) ** places
    return (low, high) if sign > 0 else (-high, -low)


def decimal(x: RealAlgebraic, digits: int) -> str:
    """See `RealAlgebraic.decimal`."""
    sign = x.sign()
    if not sign:
        return "0"
    size, q = abs(x), x.as_rational()
    text = _digits(size.enclosure(32), size.floor, digits, None if q is None else abs(q))
    return "-" + text if sign < 0 else text


def sqrt_decimal(x: RealAlgebraic, digits: int) -> str:
    """See `RealAlgebraic.sqrt_decimal`."""
    if x.sign() <= 0 or x.is_rational:
        return decimal(x.sqrt(), digits)
    # ⌊s√x⌋ = ⌊√⌊s²x⌋⌋
    return _digits(x.enclosure(32).sqrt(), lambda s: isqrt(x.floor(s * s)), digits, None)


def _digits(size: arb, floor: Callable[[fmpq], int], digits: int, exact: fmpq | None) -> str:
    """Write a positive number, described as in `leading`; `exact` is its value if rational."""
    number, places = leading(size, floor, digits)
    plain = -6 < digits - 1 - places < 16
    if plain and places < 1:
        number, places = floor(fmpq(10)), 1
    text = str(fmpz(number))
    more = "" if exact is not None and exact * fmpq(10) ** places == number else "…"
    if plain:
        text = text.rjust(places + 1, "0")
        text = f"{text[:-places]}.{text[-places:]}"
        return text + more if more else text.rstrip("0").rstrip(".")
    head, tail = text[0], text[1:]
    return f"{head}{'.' + tail if tail else ''}{more}e{len(tail) - places}"


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
        "ball": list(_decimal_ball(x.enclosure(32), x.floor, 20)),
    }


def _root_to_json(x: fmpq | Root) -> dict[str, Any]:
    assert isinstance(x, Root)
    f, digits = x.polynomial, 20
    while True:
        ball = _decimal_ball(x.ball(32), lambda s: floor_of(x.ball, s), digits)
        if f.roots_between(*_ends(*ball)) == [x.index]:
            return {"minimal_polynomial": [str(c) for c in f.coefficients], "ball": list(ball)}
        digits *= 2


def _decimal_ball(ball: arb, floor: Callable[[fmpq], int], digits: int) -> tuple[str, str]:
    """The texts (mid, rad) of the ball [n, n + 1]·10⁻ᵏ around an irrational number."""
    negative = ball < 0
    n, places = leading(abs(ball), (lambda s: -floor(s) - 1) if negative else floor, digits)
    mid = 10 * n + 5
    return (
        _decimal_text(fmpz(-mid if negative else mid), -places - 1),
        _decimal_text(fmpz(5), -places - 1),
    )


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

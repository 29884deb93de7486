"""Formulas: SymPy expressions as finite sums, as balls, and as text in JSON files."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from detvar.errors import InputError, NotExactError, ShapeError
from detvar.exact.balls import arb
from detvar.exact.rational import rational, to_text
from detvar.exact.text import one_line
from detvar.landscape.finite_sum import Array, Constant, ExactSum, FiniteSum

_BITS_LIMIT = 1 << 14  # of a power of numbers
_FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tanh", "cosh", "sinh", "atan")


def ball(expression: Any, values: Mapping[Any, arb]) -> arb:
    """Return a ball around a SymPy expression, with balls for its symbols.

    Even powers and squares are enclosed without the loss of a product of a ball with itself.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> 2 - ball(sympy.exp(x) - x + 1, {x: arb(0)}) == 0
    True
    """
    if expression in values:
        return values[expression]
    if expression.is_Rational:
        return arb(rational(expression))
    if expression.is_Add:
        total = arb(0)
        for part in expression.args:
            total += ball(part, values)
        return total
    if expression.is_Mul:
        product = arb(1)
        for part in expression.args:
            product *= ball(part, values)
        return product
    if expression.is_Pow:
        return _power(expression, values)
    if expression.is_NumberSymbol:
        number = {"Pi": arb.pi, "Exp1": arb.const_e}.get(type(expression).__name__)
        if number is not None:
            return number()
    name = getattr(expression.func, "__name__", "")
    if name in _FUNCTIONS and len(expression.args) == 1:
        inner = ball(expression.args[0], values)
        result: arb = getattr(inner, name)()
        return result
    if name == "CRootOf" and expression.is_real:
        low, high = expression._get_interval().as_tuple()[:2]
        polynomial = expression.poly.as_expr()
        constant = Constant(expression.poly.gen, polynomial, rational(low), rational(high))
        return constant.enclosure(120)
    raise InputError(
        f"{one_line(str(expression), 60)} has no enclosure: use rational numbers, +, −, ·, /, "
        f"powers, and {', '.join(_FUNCTIONS)} of the variables"
    )


def _power(expression: Any, values: Mapping[Any, arb]) -> arb:
    base, exponent = expression.base, expression.exp
    if not exponent.is_Rational:
        raise InputError(f"{one_line(str(expression), 60)} must have a rational exponent")
    inner = ball(base, values)
    p, q = int(exponent.p), int(exponent.q)
    if q == 2:
        inner = inner.sqrt()
    elif q != 1:
        inner = inner.root(q)
    size = abs(p)
    # by the ends of the ball: a product would forget that all factors are the same number
    if size == 1 or not inner.is_finite():
        power = inner**size
    elif size % 2:
        power = (inner.lower() ** size).union(inner.upper() ** size)
    else:
        power = (inner.abs_lower() ** size).union(inner.abs_upper() ** size)
    return power if p > 0 else 1 / power


def from_sympy(
    terms: Sequence[Any],
    variables: Sequence[Any],
    minimisers: Sequence[Sequence[Any]] | None,
    lower: Sequence[Any] | None,
    *,
    constants: tuple[Constant, ...] = (),
    projection: Sequence[Any] | None = None,
    smoothness: float | None = None,
    name: str = "f",
) -> FiniteSum:
    """Return the finite sum of SymPy expressions; see `FiniteSum.from_sympy`."""
    import numpy as np
    import sympy

    symbols = tuple(sympy.sympify(v) for v in variables)
    formulas = tuple(sympy.sympify(f) for f in terms)
    d, n = len(symbols), len(formulas)
    if n == 0 or d == 0:
        raise ShapeError("terms and variables must not be empty: give at least one of each")
    known = {c.symbol for c in constants}
    for i, f in enumerate(formulas):
        if f.free_symbols - set(symbols) - known:
            raise InputError(
                f"term {i} contains {', '.join(map(str, f.free_symbols - set(symbols)))}: "
                "list every unknown in `variables`"
            )
    bounds = tuple(sympy.sympify(x) for x in (lower if lower is not None else [0] * n))
    points = (
        None
        if minimisers is None
        else tuple(tuple(sympy.sympify(x) for x in p) for p in minimisers)
    )
    image = None if projection is None else tuple(sympy.sympify(x) for x in projection)
    if points == () or image == ():
        raise ShapeError("minimisers and projection must not be empty: leave out what is not known")
    if len(bounds) != n:
        raise ShapeError(f"lower has {len(bounds)} entries: give {n}, one per term")
    given = [("a minimiser", p) for p in points or ()]
    given += [] if image is None else [("the projection", image)]
    for what, p in given:
        if len(p) != d:
            raise ShapeError(
                f"{what} has another number of entries than {d}: give one per variable"
            )
    exact = ExactSum(symbols, formulas, bounds, points, constants, image)

    def number(x: Any) -> float:
        value = exact.ball(x, bits=120)
        if not abs(value) < 1e300:
            raise InputError("a minimiser or lower bound is no float: give numbers below 1e300")
        return float(value.mid())

    numbers = {c.symbol: sympy.Float(number(c.symbol), 17) for c in constants}
    floating = [f.xreplace(numbers) for f in formulas]
    values = _compiled(symbols, floating, (n,))
    slopes = [sympy.diff(f, v) for f in floating for v in symbols]
    gradients = _compiled(symbols, slopes, (n, d))
    project = None
    if image is not None:
        project = _compiled(symbols, [x.xreplace(numbers) for x in image], (d,))
    elif points is not None:
        project = nearest(np.array([[number(x) for x in p] for p in points]))
    least = np.array([number(x) for x in bounds])
    if project is None:
        minimum = float(least.mean())
    else:
        minimum = float(values(project(np.zeros(d))).mean())
        _check_minimisers(exact, values(project(np.zeros(d))), gradients, project, least)
        if points:
            at = dict(zip(symbols, points[0], strict=True))
            mean = sum((f.subs(at, simultaneous=True) for f in formulas), sympy.Integer(0)) / n
            minimum = number(mean)
    return FiniteSum(
        name, d, n, values, gradients, least, lower is not None, minimum, smoothness, project, exact
    )


def _check_minimisers(
    exact: ExactSum, at: Array, gradients: Any, project: Any, least: Array
) -> None:
    """Refuse minimisers that are not critical, and lower bounds above a value."""
    import numpy as np

    p = project(np.zeros(len(exact.variables)))
    slope = gradients(p).mean(axis=-2)
    scale = 1 + np.abs(gradients(p)).max()
    if np.abs(slope).max() > 1e-7 * scale:
        raise InputError(
            f"the minimiser {np.array2string(p, precision=6)} is not critical, the gradient of f "
            f"there is {np.array2string(slope, precision=3)}: give the points where f is least"
        )
    if (at < least - 1e-9 * (1 + np.abs(least))).any():
        i = int(np.argmin(at - least))
        raise InputError(
            f"lower[{i}] = {least[i]:.6g} is above the value {at[i]:.6g} of term {i} at a "
            "minimiser of f: give a lower bound of the term"
        )


def _compiled(symbols: Sequence[Any], expressions: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Return a NumPy function of points (…, d) with values (…, *shape)."""
    import numpy as np
    import sympy

    run = sympy.lambdify(list(symbols), list(expressions), modules="numpy", cse=True)

    def evaluated(x: Array) -> Array:
        lead = x.shape[:-1]
        out = np.empty((*lead, len(expressions)))
        try:
            with np.errstate(over="ignore", under="ignore"):
                parts = run(*(x[..., j] for j in range(len(symbols))))
            for k, part in enumerate(parts):
                out[..., k] = part
        except (OverflowError, TypeError):
            raise InputError(
                "a formula cannot be computed with floats: give real functions, and numbers "
                "below 1e300"
            ) from None
        return out.reshape(*lead, *shape)

    return evaluated


def nearest(points: Array) -> Any:
    """Return the function that sends x (…, d) to the nearest of finitely many points (m, d)."""
    import numpy as np

    def project(x: Array) -> Array:
        # |x − p|² − |x|² = |p|² − 2⟨x, p⟩ orders the points without a large array
        score = (points**2).sum(axis=1) - 2 * x @ points.T
        return points[np.argmin(score, axis=-1)]

    return project


# --- text -----------------------------------------------------------------------------------------


def read(text: Any, symbols: Mapping[str, Any], field: str = "the formula") -> Any:
    """Return the SymPy expression that a text denotes; nothing is evaluated by Python.

    Integers, decimals (read exactly), the given names, + − * / ** and the functions exp, log,
    sqrt, sin, cos, tanh, cosh, sinh, atan.

    >>> import sympy
    >>> read("x**2/(1 + x**2) + 0.1", {"x": sympy.Symbol("x")})
    x**2/(x**2 + 1) + 1/10
    """
    import sympy

    how = "write it with numbers, the variables, + - * / ** and exp, log, sqrt, sin, cos, tanh"
    if not isinstance(text, (str, int)) or isinstance(text, bool):
        raise InputError(f"{field} is {one_line(repr(text), 40)}, not a text: {how}")
    source = str(text)

    def wrong() -> InputError:
        return InputError(f"{field} is {one_line(source, 60)!r}, which cannot be read: {how}")

    if len(source) > 20000:
        raise wrong()
    source = source.strip().replace("^", "**")
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise wrong() from None

    def real(x: Any) -> Any:
        if x.is_number and (x.is_real is False or x.is_finite is False):
            raise wrong()
        return x

    def walk(node: ast.AST, depth: int) -> Any:
        if depth > 200:
            raise wrong()
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            try:
                number = rational(ast.get_source_segment(source, node), "the number")
            except NotExactError:
                raise wrong() from None
            return sympy.Rational(int(number.p), int(number.q))
        if isinstance(node, ast.Name) and node.id in symbols:
            return symbols[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            inner = walk(node.operand, depth + 1)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            a, b = walk(node.left, depth + 1), walk(node.right, depth + 1)
            if isinstance(node.op, ast.Add):
                return a + b
            if isinstance(node.op, ast.Sub):
                return a - b
            if isinstance(node.op, ast.Mult):
                return a * b
            if isinstance(node.op, ast.Div) and b != 0:
                return a / b
            small = getattr(b, "is_Rational", False) and abs(b) <= 64
            if isinstance(node.op, ast.Pow) and small and not (a == 0 and b < 0):
                if a.is_Rational and abs(a.p * a.q).bit_length() * abs(b) > _BITS_LIMIT:
                    raise wrong()
                return real(a**b)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _FUNCTIONS
            and len(node.args) == 1
            and not node.keywords
        ):
            return real(getattr(sympy, node.func.id)(walk(node.args[0], depth + 1)))
        raise wrong()

    return walk(tree.body, 0)


def to_json(problem: FiniteSum) -> dict[str, Any]:
    """Return the formulas of a finite sum as JSON; see `FiniteSum.to_json`."""
    exact = problem.exact
    if exact is None:
        raise InputError(
            f"{problem.name} has no formulas, only functions: build it by FiniteSum.from_sympy"
        )
    data: dict[str, Any] = {
        "name": problem.name,
        "variables": [str(v) for v in exact.variables],
        "terms": [str(f) for f in exact.terms],
    }
    if problem.lower_is_exact:
        data["lower"] = [str(x) for x in exact.lower]
    if exact.minimisers is not None:
        data["minimisers"] = [[str(x) for x in p] for p in exact.minimisers]
    if exact.projection is not None:
        data["projection"] = [str(x) for x in exact.projection]
    if exact.constants:
        data["constants"] = [
            {
                "name": str(c.symbol),
                "equation": str(c.equation),
                "bracket": [to_text(c.low), to_text(c.high)],
            }
            for c in exact.constants
        ]
    if problem.smoothness is not None:
        data["smoothness"] = problem.smoothness
    return data


def from_json(data: Any) -> FiniteSum:
    """Read a finite sum of formulas; see `FiniteSum.from_json`."""
    import sympy

    if not isinstance(data, Mapping):
        raise InputError('the problem must be a JSON object with "variables" and "terms"')
    for field in ("variables", "terms"):
        if not isinstance(data.get(field), Sequence) or isinstance(data[field], str):
            raise InputError(f'"{field}" must be a list of texts, such as ["x", "y"]')
    names = [str(v) for v in data["variables"]]
    if len(set(names)) != len(names) or not all(v.isidentifier() for v in names):
        raise InputError('"variables" must be different names, such as ["x", "y"]')
    symbols = {v: sympy.Symbol(v, real=True) for v in names}
    table = dict(symbols)
    constants = []
    named = data.get("constants", [])
    if not isinstance(named, Sequence) or isinstance(named, str):
        raise InputError('"constants" must be a list of objects')
    for entry in named:
        if not isinstance(entry, Mapping) or not {"name", "equation", "bracket"} <= set(entry):
            raise InputError('each of "constants" needs "name", "equation" and "bracket"')
        ends = entry["bracket"]
        if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
            raise InputError('the "bracket" of a constant must be a list of two numbers')
        symbol = sympy.Symbol(str(entry["name"]), real=True)
        equation = read(entry["equation"], {str(symbol): symbol}, "the equation")
        low, high = rational(ends[0], "low"), rational(ends[1], "high")
        constants.append(Constant(symbol, equation, low, high))
        table[str(symbol)] = symbol
    numbers = {k: v for k, v in table.items() if k not in symbols}

    def all_of(field: str, texts: Any, names: Mapping[str, Any]) -> list[Any]:
        if not isinstance(texts, Sequence) or isinstance(texts, str):
            raise InputError(f'"{field}" must be a list of texts')
        return [read(x, names, f"{field}[{i}]") for i, x in enumerate(texts)]

    minimisers = data.get("minimisers")
    if minimisers is not None and (
        not isinstance(minimisers, Sequence) or isinstance(minimisers, str)
    ):
        raise InputError('"minimisers" must be a list of points, such as [["0", "0"]]')
    smoothness = data.get("smoothness")
    if smoothness is not None and (
        type(smoothness) not in (int, float) or not 0 <= smoothness < 1e300
    ):
        raise InputError('"smoothness" must be a number ≥ 0')
    lower, projection = data.get("lower"), data.get("projection")
    return from_sympy(
        all_of("terms", data["terms"], table),
        list(symbols.values()),
        None if minimisers is None else [all_of("minimisers", p, numbers) for p in minimisers],
        None if lower is None else all_of("lower", lower, numbers),
        constants=tuple(constants),
        projection=None if projection is None else all_of("projection", projection, table),
        smoothness=smoothness,
        name=str(data.get("name", "f")),
    )

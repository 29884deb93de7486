"""Critical equations for other systems: Macaulay2, Singular, msolve, Julia, SymPy.

Every script names its problem, defines unknowns and equations, removes what the side conditions
exclude, and prints lines such as "dimension 3", "degree 6" and "component 3 4".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from detvar.critical.symbolic.dialects import DIALECTS, Dialect, identifiers, polynomial_text
from detvar.errors import InputError
from detvar.exact.rational_functions import Polynomial

if TYPE_CHECKING:
    from detvar.critical.symbolic.equations import CriticalEquations

_WORDS = ("^T", " * ", "d", "grad ", "sum ", "lambda", "<=", "l")
TASKS = ("ideal", "degree", "components")
_ASCII = {ord(a): b for a, b in zip("ᵀ·∂∇Σλ≤ℓ", _WORDS, strict=True)}
_SMALL = 8  # unknowns up to which a decomposition is asked for


@dataclass(frozen=True)
class Script:
    """What is to be written, spelled for one system.

    Attributes
    ----------
    header : lines of comment
    variables, parameters : names
    equations : polynomials
    conditions : a name, and polynomials that do not all vanish
    inverses : for each condition one more unknown t, and the equation that says t·f = 1 for a
        combination f of its polynomials
    task : ideal, degree or components
    is_finite : whether finitely many solutions are expected
    """

    header: tuple[str, ...]
    variables: tuple[str, ...]
    parameters: tuple[str, ...]
    equations: tuple[str, ...]
    conditions: tuple[tuple[str, tuple[str, ...]], ...]
    inverses: tuple[tuple[str, str], ...]
    task: str
    is_finite: bool


def export(eqs: CriticalEquations, system: str, task: str | None = None) -> str:
    """Return the equations as a script or an input file of another system.

    Parameters
    ----------
    eqs : the equations
    system : macaulay2, singular, msolve, julia or sympy
    task : "ideal" only defines the equations; "degree" prints dimension and degree too;
        "components" also those of the components over the field of the coefficients. By
        default "components" up to 8 unknowns without parameters, otherwise "degree"; for
        SymPy, which is slower, "ideal".

    Raises
    ------
    InputError
        If the system is unknown, the equations are no polynomials where it needs them, or it
        knows no parameters.

    Notes
    -----
    **Cost**: that of multiplying out.
    **Validity**: coefficients are integers. Parameters become coefficients: the script treats
    them as generic. Side conditions are removed by saturation; for msolve and SymPy, by one more
    unknown that inverts a random combination.

    Examples
    --------
    >>> from detvar import LinearNetwork, SquaredLoss, critical_equations
    >>> eqs = critical_equations(LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[2]]))
    >>> print(export(eqs, "msolve"), end="")
    w1_1_1,w2_1_1
    0
    w1_1_1*w2_1_1^2 - 2*w2_1_1,
    w1_1_1^2*w2_1_1 - 2*w1_1_1
    """
    if system not in DIALECTS:
        raise InputError(f"{system!r} is no known system: write one of {', '.join(DIALECTS)}")
    if task is not None and task not in TASKS:
        raise InputError(f"task is {task!r}: write one of {', '.join(TASKS)}")
    if not eqs.is_rational and system == "sympy":
        return _analytic_python(eqs)
    dialect = DIALECTS[system]
    if eqs.parameters and not dialect.has_parameters:
        names = ", ".join(s.name for s in eqs.parameters)
        raise InputError(
            f"{dialect.title} knows no parameters: substitute numbers for {names} first"
        )
    return _WRITERS[system](_script(eqs, dialect, task or _default_task(eqs, system)))


def _default_task(eqs: CriticalEquations, system: str) -> str:
    if system == "sympy":
        return "ideal"
    small = len(eqs.variables) <= _SMALL and not eqs.parameters
    return "components" if small else "degree"


def _script(eqs: CriticalEquations, dialect: Dialect, task: str) -> Script:
    system = eqs.polynomial_system
    names = identifiers([s.name for s in system.symbols], dialect)
    count = len(system.variables)
    conditions = [c for c in system.open_conditions if not _holds_generically(c[1], count)]

    def text(f: Polynomial) -> str:
        return polynomial_text(f, names, dialect)

    return Script(
        header(eqs, dialect, names),
        tuple(names[:count]),
        tuple(names[count:]),
        tuple(map(text, system.equations)),
        tuple((name, tuple(map(text, fs))) for name, fs in conditions),
        tuple(_inverses([fs for _, fs in conditions], names, dialect)),
        task,
        eqs.form != "weights" and eqs.plan.multipliers != "minors",
    )


def _holds_generically(fs: Sequence[Polynomial], count: int) -> bool:
    """Whether one of the polynomials is a unit: a number, or free of the unknowns."""
    return any(f and not any(e for m in f.to_dict() for e in m[:count]) for f in fs)


def _inverses(
    groups: Sequence[Sequence[Polynomial]], names: Sequence[str], dialect: Dialect
) -> Iterator[tuple[str, str]]:
    """Yield t and t·(Σ cᵢfᵢ) − 1 with random integers cᵢ, multiplied out.

    No solution with an fᵢ ≠ 0 is lost but by an accident, if there are finitely many.
    """
    rng = Random(0)
    taken = set(names)
    for k, fs in enumerate(groups):
        t = f"t{k + 1}"
        while t in taken:
            t += "0"
        ring = fs[0].context().append_gens("t")
        some = sum((f * rng.randint(1, 1000) for f in fs[1:]), fs[0]).project_to_context(ring)
        yield t, polynomial_text(some * ring.gens()[-1] - 1, [*names, t], dialect)


def header(eqs: CriticalEquations, dialect: Dialect, names: Sequence[str]) -> tuple[str, ...]:
    """Return lines of comment: the problem, the form, the equations with factors, new names."""
    from detvar.critical.symbolic.display import description, headline

    lines = [headline(eqs), description(eqs), *(f"{e.name}: {e}" for e in eqs.factored)]
    new = [
        f"the parameter {s.name} is written {name}"
        for s, name in zip(eqs.parameters, names[len(eqs.variables) :], strict=True)
        if s.name != name
    ]
    return tuple(f"{dialect.comment} {line.translate(_ASCII)}" for line in [*lines, *new])


# --- one writer for each system -----------------------------------------------------------------


def _macaulay2(s: Script) -> str:
    field = f"frac(QQ[{', '.join(s.parameters)}])" if s.parameters else "QQ"
    lines = [
        *s.header,
        f"coefficientField = {field}",
        f"unknownRing = coefficientField[{', '.join(s.variables)}, MonomialOrder => GRevLex]",
        "critical = ideal(",
        ",\n".join(f"  {f}" for f in s.equations or ("0_unknownRing",)),
        "  )",
        'print("generators " | toString numgens critical)',
    ]
    if s.task == "ideal":
        return "\n".join(lines) + "\n"
    for name, fs in s.conditions:
        some = ", ".join(fs) if set(fs) != {"0"} else "0_unknownRing"
        lines.append(f"critical = saturate(critical, ideal({some}))  -- {name}")
    lines += [
        'print("dimension " | toString dim critical)',
        'print("degree " | toString degree critical)',
    ]
    if s.task == "components":
        lines += [
            "scan(decompose critical, component ->",
            '  print("component " | toString dim component | " " | toString degree component))',
        ]
    return "\n".join(lines) + "\n"


_SATURATION = """\
proc withoutZeros(ideal all, ideal some)
{
  // repeated quotients end at the saturation
  ideal now = std(all);
  ideal next = std(quotient(now, some));
  while (size(reduce(next, now)) > 0)
  {
    now = next;
    next = std(quotient(now, some));
  }
  return(now);
}"""


def _singular(s: Script) -> str:
    field = f"(0, {', '.join(s.parameters)})" if s.parameters else "0"
    lines = [*s.header]
    if s.task == "components":
        lines.append('LIB "primdec.lib";')
    if s.conditions and s.task != "ideal":
        lines.append(_SATURATION)
    lines += [
        f"ring unknownRing = {field}, ({', '.join(s.variables)}), dp;",
        "ideal critical =",
        ",\n".join(f"  {f}" for f in s.equations or ("0",)) + ";",
        'print("generators " + string(ncols(critical)));',
    ]
    if s.task != "ideal":
        for name, fs in s.conditions:
            lines.append(f"critical = withoutZeros(critical, ideal({', '.join(fs)})); // {name}")
        lines += [
            "critical = std(critical);",
            'print("dimension " + string(dim(critical)));',
            'print("degree " + string(mult(critical)));',
        ]
    if s.task == "components":
        lines += [
            "list components = minAssGTZ(critical);",
            "int place;",
            "for (place = 1; place <= size(components); place++)",
            "{",
            "  critical = std(components[place]);",
            '  print("component " + string(dim(critical)) + " " + string(mult(critical)));',
            "}",
        ]
    return "\n".join([*lines, "quit;"]) + "\n"


def _msolve(s: Script) -> str:
    # msolve skips parentheses without a word, so all of it is multiplied out
    body = ",\n".join([*s.equations, *(f for _, f in s.inverses)])
    return f"{','.join([*s.variables, *(t for t, _ in s.inverses)])}\n0\n{body}\n"


def _julia(s: Script) -> str:
    # names that HomotopyContinuation exports, such as parameters, are left to it
    lines = [*s.header, "using HomotopyContinuation", f"@var {' '.join(s.variables)}"]
    if s.parameters:
        lines.append(f"@var {' '.join(s.parameters)}")
    lines += [
        f"unknowns = [{', '.join(s.variables)}]",
        f"given = Variable[{', '.join(s.parameters)}]",
        "equations = Expression[",
        *(f"    {f}," for f in s.equations),
        "]",
        "conditions = [",
        *(f"    Expression[{', '.join(fs)}],  # {name}" for name, fs in s.conditions),
        "]",
        'println("generators ", length(equations))',
    ]
    if s.task == "ideal":
        return "\n".join(lines) + "\n"
    lines.append("data = randn(length(given))")
    if s.parameters:
        lines[-1] += "  # write the numbers of your problem"
        lines.append("equations = [subs(f, given => data) for f in equations]")
    lines.append("critical = System(equations; variables = unknowns)")
    if s.is_finite:
        lines += [
            "at(f, x) = abs(evaluate(f, [unknowns; given] => [x; data]))",
            "holds(x) = all(any(at(f, x) > 1e-8 for f in fs) for fs in conditions)",
            "found = filter(holds, solutions(solve(critical)))",
            'println("degree ", length(found))',
            'println("real ", count(x -> maximum(abs.(imag.(x))) < 1e-8, found))',
        ]
    else:
        lines += [
            "decomposition = numerical_irreducible_decomposition(critical)",
            "for (dimension, list) in degrees(decomposition), d in list",
            '    println("component ", dimension, " ", d)',
            "end",
        ]
    return "\n".join(lines) + "\n"


_GROEBNER = """\
basis = groebner(equations + inverses, *unknowns, *inverting, order="grevlex", domain={domain})
if basis.exprs == [1]:
    print("dimension -1\\ndegree 0")
elif basis.is_zero_dimensional:
    # the degree is the number of monomials that no leading monomial divides
    leading = [f.monoms(order="grevlex")[0] for f in basis.polys]
    start = (0,) * len(leading[0])
    seen, todo = set(), [start]
    while todo:
        at = todo.pop()
        if at in seen or any(all(a >= b for a, b in zip(at, m)) for m in leading):
            continue
        seen.add(at)
        todo += [at[:k] + (at[k] + 1,) + at[k + 1 :] for k in range(len(at))]
    print("dimension 0\\ndegree", len(seen))
else:
    print("dimension positive")"""


def _python(s: Script) -> str:
    names = [*s.variables, *s.parameters]
    lines = [
        *s.header,
        "from sympy import groebner, symbols" if s.task != "ideal" else "from sympy import symbols",
        "",
        f'{", ".join(names)}{"," * (len(names) == 1)} = symbols("{" ".join(names)}", seq=True)',
        f"unknowns = [{', '.join(s.variables)}]",
        f"parameters = [{', '.join(s.parameters)}]",
        "equations = [",
        *(f"    {f}," for f in s.equations),
        "]",
        "not_all_zero = [",
        *(f"    [{', '.join(fs)}],  # {name}" for name, fs in s.conditions),
        "]",
        'print("generators", len(equations))',
    ]
    if s.task != "ideal":
        new, inverses = [t for t, _ in s.inverses], [f for _, f in s.inverses]
        spelled = f'list(symbols("{" ".join(new)}", seq=True))' if new else "[]"
        lines.append(f"inverting = {spelled}")
        if new:
            lines.append(f"{', '.join(new)}{',' * (len(new) == 1)} = inverting")
        domain = f'"QQ({",".join(s.parameters)})"' if s.parameters else '"QQ"'
        lines += [f"inverses = [{', '.join(inverses)}]", _GROEBNER.format(domain=domain)]
    return "\n".join(lines) + "\n"


def _analytic_python(eqs: CriticalEquations) -> str:
    """Equations with exp, log and roots, as Python text."""
    import sympy

    dialect = DIALECTS["sympy"]
    symbols = (*eqs.variables, *eqs.parameters)
    names = identifiers([s.name for s in symbols], dialect)
    new = {s: sympy.Symbol(name) for s, name in zip(symbols, names, strict=True)}
    equations = [x.xreplace(new) for x in eqs.equations]
    used = sorted({type(f).__name__ for x in equations for f in x.atoms(sympy.Function)})
    count = len(eqs.variables)
    lines = [
        *header(eqs, dialect, names),
        f"from sympy import {', '.join(['S', *used, 'sqrt', 'symbols'])}",
        "",
        f'{", ".join(names)}{"," * (len(names) == 1)} = symbols("{" ".join(names)}", seq=True)',
        f"unknowns = [{', '.join(names[:count])}]",
        f"parameters = [{', '.join(names[count:])}]",
        "equations = [",
        *(f"    {sympy.sstr(x, sympy_integers=True)}," for x in equations),
        "]",
        'print("generators", len(equations))',
    ]
    return "\n".join(lines) + "\n"


_WRITERS: dict[str, Callable[[Script], str]] = {
    "macaulay2": _macaulay2,
    "singular": _singular,
    "msolve": _msolve,
    "julia": _julia,
    "sympy": _python,
}

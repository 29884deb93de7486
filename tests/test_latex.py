r"""Everything public has a LaTeX form that compiles with amsmath and amssymb alone.

Two judges: a strict reader (braces, environments, dollars, a list of known commands), which runs
everywhere, and `pdflatex`, where it is installed.  What has `_repr_latex_` is an object, and its
`to_latex()` is math; the others are results, and theirs is text.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import detvar as dv
from detvar import critical, landscape, optimality
from detvar.classify import check_global_minimum, classify
from detvar.classify.optimality import published_test
from detvar.critical import (
    LossPath,
    critical_equations,
    critical_locus,
    critical_points,
    discriminant,
    distance_to_change,
    ed_discriminant,
    exact_count,
)
from detvar.exact import latex
from detvar.exact.algebraic import RealAlgebraic, real_roots, square_root
from detvar.exact.inertia import Inertia
from detvar.exact.matrices import matrix, zeros
from detvar.exact.rational import Rational
from detvar.losses import Kronecker, Loss, attainment
from detvar.networks.linear import LinearNetwork

FOLDERS = ("losses", "networks", "varieties", "classify", "critical", "optimality", "landscape")
ROLES = {"Loss", "AnalyticLoss"}  # protocols: nothing is one of them
DATA = {"Data", "FloatWeights", "Moments"}  # numbers that were read, nothing to typeset

COMMANDS = set(
    re.findall(
        r"\w+",
        """
    Bigl Bigr xrightarrow vartheta emptyset sup
    alpha binom approx bar bigl bigr cdot cdots circ colon cosh cos delta det displaystyle
    dots ell exp forall frac in inf infty item kappa lambda langle ldots le left log lVert
    mapsto mathbb mathcal mathrm max mid min mu nabla ne oplus otimes partial pm prec prod
    qquad quad rangle right rho rVert setminus sigma sin sqrt subset succ sum tanh text
    textasciicircum textbackslash textbf tfrac theta times to top varepsilon varphi Lambda
    Rightarrow Sigma hline operatorname Delta ge geq leq neq perp sim surd sinh tan Vert
    oslash preceq succeq xi tau gamma beta lfloor rfloor eta nu omega pi Pi Omega
    Leftrightarrow parallel propto div cup label begin end
    """,
    )
)
ENVIRONMENTS = {"pmatrix", "matrix", "array", "aligned", "tabular", "enumerate"}
MATH_ONLY = {"pmatrix", "matrix", "array", "aligned"}
LETTERS = re.compile(r"[^\x00-\x7fäëïöüßáéíóúàèìòùâêîôûçñøåÄÖÜÉÅØŁł]")


def complaints(text: str) -> list[str]:
    """Everything that is wrong with a piece of LaTeX text, according to a strict reader."""
    out = [f"character {c!r}" for c in LETTERS.findall(text)]
    stack: list[str] = []
    rest = re.compile(r"\\([A-Za-z]+|.)|(\$\$?)|([{}])|(&|\^|_)", re.DOTALL)
    place, opened = 0, 0
    while (m := rest.search(text, place)) is not None:
        place = m.end()
        command, dollar, brace, special = m.groups()
        is_math = any(x in ("$", "$$", "[") or x in MATH_ONLY for x in stack)
        is_words = bool(stack) and stack[-1] == "text{"
        if command in ("begin", "end"):
            name = re.match(r"\{([a-z]+)\}", text[place:])
            if name is None or name[1] not in ENVIRONMENTS:
                return [*out, f"environment at {text[place : place + 20]!r}"]
            place += name.end()
            if command == "begin":
                if name[1] in MATH_ONLY and not is_math:
                    out.append(f"{name[1]} outside of math")
                stack.append(name[1])
                columns = re.match(r"\{[lrc]+\}", text[place:])
                place += columns.end() if columns and name[1] in ("array", "tabular") else 0
            elif not stack or stack.pop() != name[1]:
                return [*out, f"\\end{{{name[1]}}} closes nothing"]
        elif command in ("[", "]", "(", ")"):
            if command in "[(":
                stack.append("[")
            elif not stack or stack.pop() != "[":
                return [*out, f"\\{command} closes nothing"]
        elif command == "left":
            opened += 1
        elif command == "right":
            opened -= 1
        elif command in ("text", "textbf", "mathrm") and text[place : place + 1] == "{":
            place += 1
            stack.append("text{")
        elif command is not None and command.isalpha() and command not in COMMANDS:
            out.append(f"command \\{command}")
        elif dollar:
            if stack and stack[-1] == dollar:
                stack.pop()
            elif is_math and not is_words:
                return [*out, f"{dollar} inside of math at {text[place - 20 : place + 20]!r}"]
            else:
                stack.append(dollar)
        elif brace == "{":
            stack.append("{")
        elif brace == "}":
            if not stack or stack.pop() not in ("{", "text{"):
                return [*out, f"brace closes nothing at {text[place - 20 : place + 20]!r}"]
        elif special in ("^", "_") and (not is_math or is_words):
            out.append(f"{special} outside of math at {text[place - 20 : place + 20]!r}")
        elif special == "&" and not any(x in (*MATH_ONLY, "tabular") for x in stack):
            out.append("& outside of a table")
    out += [f"{x} is not closed" for x in stack]
    return out + (["\\left without \\right"] if opened else [])


# --- one of everything ----------------------------------------------------------------------------

IDENTITY = [[1, 0], [0, 1]]


def bumps() -> Any:
    return landscape.examples.ex6()


def region() -> Any:
    return landscape.Region.from_triples([1, -0.5], [2, 0.4], [0.5, 0.8])


def run_of_bumps() -> Any:
    return landscape.record_sum(bumps(), landscape.optimizers.SGD(0.1), [1.0, 0.7], [0, 1, 1, 0])


def trained() -> tuple[Any, ...]:
    """Weights, inputs and targets in floats: the problem above, at its saddle."""
    import numpy as np

    weights = [np.array([[0.0, 1.0]]), np.array([[0.0], [1.0]])]
    return weights, np.eye(2), np.diag([2.0, 1.0])


@cache
def problem() -> tuple[Any, ...]:
    return (
        LinearNetwork(2, 1, 2),
        dv.SquaredLoss(IDENTITY, [[2, 0], [0, 1]]),
        [[[0, 1]], [[0], [1]]],
    )


@cache
def weighted() -> Any:
    return dv.WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])


@cache
def found_points() -> Any:
    where = dv.DeterminantalVariety(2, 2, 1)
    return critical_points(where, weighted(), seed=1, progress=False)


@cache
def path() -> LossPath:
    return LossPath("weighted", target=[[1, 0], [0, "1/2"]], weights=[[1, "1+t"], [3, "t/(t+5)"]])


@cache
def change() -> Any:
    moving = LossPath("weighted", target=[[1, 0], [0, "1/2"]], weights=[[1, "1+3*t"], ["1+3*t", 1]])
    return discriminant(moving, interval=(0, 1), rank=1)


def logistic() -> Any:
    return dv.LogisticLoss(IDENTITY, [[3, 6], [6, 5]], [[2, 3], [3, 3]])


@cache
def separable() -> Any:
    loss = dv.LogisticLoss([[1, 2]], [[1, 1]], [[1, 1]])
    return critical_points(dv.DeterminantalVariety(1, 1, 1), loss, progress=False)


@cache
def covariance() -> Any:
    return critical_points(
        dv.DeterminantalVariety(2, 2, 1), dv.losses.BuresWassersteinLoss([[2, 1], [1, 1]])
    )


def symbolic() -> Any:
    loss = dv.SymbolicLoss("squared", X=[["x"]], Y=[["y"]])
    return critical_equations(LinearNetwork(1, 1, 1), loss)


def locus() -> Any:
    return critical_locus(LinearNetwork(2, 2, 2), dv.SquaredLoss(IDENTITY, [[2, 1], [1, 1]]))


EXAMPLES: dict[str, Callable[[], Any]] = {
    # losses
    "Attainment": lambda: attainment(logistic().growth(), logistic().shape),
    "Growth": lambda: dv.PseudoHuberLoss([[1]], [[3]], "1/2").growth(),
    "BuresWassersteinLoss": lambda: dv.losses.BuresWassersteinLoss([[2, 1], [1, 1]]),
    "Convexity": lambda: logistic().convexity(),
    "ExponentialLoss": lambda: dv.ExponentialLoss([[1, 2], [0, 1]], [[1, 0], [-1, 1]]),
    "ExpressionLoss": lambda: dv.ExpressionLoss("(w11 - 1)**4/2 + w12**2", (2, 2)),
    "Kronecker": lambda: problem()[1].kronecker(),
    "LikelihoodLoss": lambda: dv.LikelihoodLoss([[2, 1], [1, 4]]),
    "LogCoshLoss": lambda: dv.LogCoshLoss([[1]], [[2]]),
    "LogisticLoss": logistic,
    "PowerLoss": lambda: dv.PowerLoss([["1/2", -1]], 4),
    "PseudoHuberLoss": lambda: dv.PseudoHuberLoss([[1]], [[3]], "1/2"),
    "QuadraticLoss": lambda: dv.QuadraticLoss([[1, 2]], [[2, 1], [1, 3]]),
    "Reduction": lambda: dv.SquaredLoss([[1, 0], [0, 0]], IDENTITY).reduce(problem()[0]),
    "SoftmaxLoss": lambda: dv.SoftmaxLoss([[1]], [[1], [3]], [2]),
    "SquaredLoss": lambda: problem()[1],
    "SymbolicLoss": lambda: dv.SymbolicLoss("power", target=[["a/2", "b"]], exponent=4),
    "WeightedSquaredLoss": weighted,
    # networks and varieties
    "Fiber": lambda: LinearNetwork(2, 1, 3).fiber(0),
    "IntervalBasis": lambda: LinearNetwork(2, 1, 2).intervals([[[1, 2]], [[0], [0]]]),
    "LinearNetwork": lambda: LinearNetwork(3, 2, 3),
    "Strings": lambda: locus().components[-1].strings,
    "DeterminantalVariety": lambda: dv.DeterminantalVariety(3, 4, 2),
    "HilbertSeries": lambda: dv.DeterminantalVariety(3, 3, 1).hilbert_series(),
    "LocalEquations": lambda: dv.DeterminantalVariety(2, 3, 1).ideal and _local(),
    "MLDegree": lambda: dv.DeterminantalVariety(6, 6, 3).ml_degree(),
    "SymmetricDeterminantalVariety": lambda: dv.varieties.SymmetricDeterminantalVariety(3, 1),
    "TangentCone": lambda: dv.DeterminantalVariety(3, 3, 2).tangent_cone(
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    ),
    # one point
    "Certificate": lambda: classify(*problem()).certificate,
    "CheckReport": lambda: classify(*problem()).certificate.check(),
    "Classification": lambda: classify(*problem()),
    "Explanation": lambda: classify(*problem()).explain(),
    "PublishedTest": lambda: published_test(
        problem()[0], problem()[1], classify(*problem()).weights
    ),
    "Step": lambda: classify(*problem()).explain().steps[2],
    "Verdict": lambda: check_global_minimum(*problem()),
    # all points
    "AtInfinity": lambda: separable().at_infinity,
    "BoxSearch": lambda: critical.exhaustive(logistic(), 1, 1, budget=0.5),
    "BuresWassersteinPoints": covariance,
    "CovarianceComponent": lambda: covariance().components[0],
    "CertifiedPoint": lambda: next(p for p in found_points().points if not p.is_real),
    "CertifiedPoints": found_points,
    "ChangeDistance": lambda: distance_to_change(problem()[0], problem()[1]),
    "CriticalEquations": symbolic,
    "CriticalLocus": locus,
    "CriticalPoints": lambda: critical_points(*problem()[:2]),
    "DiscriminantReport": change,
    "EDDiscriminant": lambda: ed_discriminant(2, 2),
    "ExactCount": lambda: exact_count(weighted(), 1),
    "LocusComponent": lambda: locus().components[0],
    "LossFamily": lambda: critical.wishart(),
    "LossPath": path,
    "PointsExplanation": lambda: found_points().explain(),
    "RankReport": lambda: found_points().report,
    "Sample": lambda: critical.sample(
        dv.DeterminantalVariety(2, 2, 1), critical.uniform_weights(), 3, progress=False
    ),
    "SymbolicComponent": lambda: locus().symbolic().components[0],
    "SymbolicLocus": lambda: locus().symbolic(),
    # trained weights
    "Assessment": lambda: optimality.assess(*trained()),
    "Conserved": lambda: optimality.conserved(trained()[0]),
    "ConvexGap": lambda: optimality.convex_gap(
        LinearNetwork(1, 1), dv.LogCoshLoss([[1]], [[2]]), [[[1.5]]]
    ),
    "Escape": lambda: optimality.escape(*problem()[:2], trained()[0]),
    "FloatVerdict": lambda: optimality.check_global_minimum(*problem()[:2], trained()[0]),
    "FunctionSpaceCondition": lambda: optimality.linear_tail([[[1, 0], [0, 1]], [[1, 2]]]),
    "Gap": lambda: optimality.gap(*trained()),
    "JacobianBound": lambda: optimality.linear_jacobian(
        optimality.read_weights(trained()[0]), trained()[1]
    ),
    "Margin": lambda: optimality.classify_numerically(*problem()[:2], trained()[0]).margins[0],
    "NumericalClassification": lambda: optimality.classify_numerically(
        *problem()[:2], trained()[0]
    ),
    "ParametricCondition": lambda: optimality.parametric_condition(
        optimality.read_weights(trained()[0]), trained()[1]
    ),
    # the condition (α, β)
    "BestBound": lambda: region().best_bound(D0=1.0, L=1.0, sigma2=1.0, K=100),
    "BestRatio": lambda: region().best_ratio(),
    "landscape.Certificate": lambda: landscape.prove(bumps(), 20, 19),
    "Condition": lambda: landscape.conditions.condition("PL"),
    "Constant": lambda: bumps().exact.constants[0],
    "Estimate": lambda: landscape.conditions.estimate(bumps(), "PL", [[0.5, 1.0], [2.0, 1.0]]),
    "ExactRegion": lambda: bumps().region,
    "ExactSum": lambda: bumps().exact,
    "FiberProjection": lambda: landscape.project_to_fiber([[1.0]], [[3.0]], [[2.0]]),
    "FiniteSum": bumps,
    "Implication": lambda: landscape.implies("SC", "PL", given=("L-smooth",)),
    "Path": lambda: landscape.run(bumps(), landscape.optimizers.SGD(0.5), [1.0, 0.0], [0, 1]),
    "ProjectionComparison": lambda: landscape.compare_projections(
        [[1.0, 2.0, 3.0]], [[1.0, 1.0, 4.0]], 1, steps=40
    ),
    "Region": lambda: region(),
    "RegionBuilder": lambda: landscape.RegionBuilder(),
    "Slice": lambda: landscape.slice_1d(bumps(), at=[0.5, 1.0], direction=[1.0, 0.0]),
    "SlicePath": lambda: landscape.pca_path(
        bumps(), paths={"SGD": [[1.0, 0.0], [0.5, 0.5], [0.2, 0.4]]}
    ).paths[0],
    "Trace": run_of_bumps,
    "Triples": lambda: landscape.Triples([1, -0.5], [2, 0.4], [0.5, 0.8]),
    "Violations": lambda: landscape.conditions.violations(
        bumps(), "PL", [[0.5, 1.0], [2.0, 1.0]], mu=1
    ),
    "Witness": lambda: region().active[0],
    # numbers
    "RealAlgebraic": lambda: (1 - square_root(5)) / 2,
    "Inertia": lambda: Inertia(2, 1, 0),
    "FiberStratum": lambda: LinearNetwork(2, 1, 3).fiber(0).components[0],
    "Spectrum": lambda: locus().spectrum,
}


def _local() -> Any:
    from detvar.varieties.equations import local_equations

    return local_equations([[1, 0, 2], [0, 0, 0]], 1)


def public_classes() -> dict[str, type]:
    out = {}
    for folder in FOLDERS:
        module = importlib.import_module(f"detvar.{folder}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                # two folders may use a word for their own results
                out[f"{folder}.{name}" if name in out else name] = thing
    return out


@cache
def example(name: str) -> Any:
    return EXAMPLES[name]()


@cache
def as_text(name: str) -> str:
    """What stands in a document: objects as notebooks show them, results as they are."""
    x = example(name)
    text = x._repr_latex_() if hasattr(x, "_repr_latex_") else x.to_latex()
    assert isinstance(text, str)
    return text


def test_every_public_class_has_an_example() -> None:
    wanted = set(public_classes()) - ROLES - DATA
    assert wanted - set(EXAMPLES) == set(), "give the new class a to_latex and an example here"
    assert set(public_classes()) >= ROLES
    for name, cls in public_classes().items():
        if name in EXAMPLES:
            assert type(example(name)) is cls, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_latex_is_well_formed(name: str) -> None:
    text = as_text(name)
    assert complaints(text) == []
    assert len(text) > 4
    assert not re.search(r"None|nan|fmpq|<class|object at|\{\}\}", text)


def compiled(body: str, folder: Path) -> str:
    """The errors of pdflatex, empty if there are none."""
    document = (
        "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n\\begin{document}\n"
        f"{body}\n\\end{{document}}\n"
    )
    (folder / "all.tex").write_text(document, encoding="utf-8")
    words = [
        "pdflatex",
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        "all.tex",
    ]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        return ""
    return "\n".join(x for x in done.stdout.splitlines() if x.startswith(("!", "l.")))


needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


@needs_tex
def test_everything_compiles(tmp_path: Path) -> None:
    """All examples in one document, each in a paragraph of its own."""
    body = "\n\n".join(f"{as_text(name)}\n\n\\bigskip" for name in EXAMPLES)
    assert compiled(body, tmp_path) == ""


@needs_tex
def test_every_kind_of_derivation_compiles(tmp_path: Path) -> None:
    import test_explain

    texts = [test_explain.classified(x).explain().to_latex() for x in test_explain.OTHERS]
    texts += [test_explain.classified(x).explain().to_latex() for x in test_explain.CASES]
    assert [complaints(t) for t in texts] == [[]] * len(texts)
    assert compiled("\n\n".join(texts), tmp_path) == ""


@needs_tex
def test_what_the_strict_reader_accepts_is_what_tex_accepts(tmp_path: Path) -> None:
    """Both refuse the same broken pieces."""
    for wrong in (
        r"$\frac{1}{2$",
        r"$\begin{pmatrix}1&2\end{array}$",
        "x_1",
        "$x",
        r"\begin{pmatrix}1\end{pmatrix}",
        r"$\left(1$",
        r"$\unknown$",
        "1 & 2",
        r"\[ x $y$ \]",
        "}",
    ):
        assert complaints(wrong), wrong
        assert compiled(wrong, tmp_path), wrong


# --- numbers and words ----------------------------------------------------------------------------


def test_real_algebraic_numbers() -> None:
    r = real_roots([1, -3, 0, 1])
    for x, text in (
        (square_root(2), r"\sqrt{2}"),
        ((3 - square_root(5)) / 4, r"\frac{3-\sqrt{5}}{4}"),
        (-square_root("3/4"), r"-\frac{\sqrt{3}}{2}"),
        (RealAlgebraic(Rational(-2, 3)), r"-\frac{2}{3}"),
        (r[0][0], r"\operatorname{root}_{1}(x^{3}-3x+1)\approx -1.879385241\ldots"),
        (2 - r[2][0], None),
        (1 + r[1][0] * 3 + square_root(2), None),
    ):
        found = x.to_latex()
        assert complaints(f"${found}$") == []
        assert text is None or found == text
    # a closed form is that number: evaluated as written, it is x
    import math

    x = (7 - 3 * square_root(5)) / 2
    assert x.to_latex() == r"\frac{7-3\sqrt{5}}{2}"
    assert abs((7 - 3 * math.sqrt(5)) / 2 - float(x)) < 1e-15


def test_wide_matrices_are_no_pmatrix() -> None:
    """amsmath has ten columns; an eleventh is an error."""
    assert "pmatrix" in latex.matrix(matrix([[1] * 10]))
    assert "array" in latex.matrix(matrix([[1] * 11]))
    assert latex.matrix(zeros(0, 3)) == r"0_{0\times 3}"


@pytest.mark.parametrize(
    ("plain", "text"),
    [
        ("50 % of x_1 & {a} #2", r"50 \% of x\_1 \& \{a\} \#2"),
        ("W̄ᵀG ≤ ½", r"$\bar{W}{}^{\top}$G $\le$ $\tfrac12$"),
        ("a\\b^c~d $5", r"a\textbackslash{}b\textasciicircum{}c\textasciitilde{}d \$5"),
        ("Horobeţ", "Horobe[U+0163]"),
        ("$½", r"\$$\tfrac12$"),
    ],
)
def test_words(plain: str, text: str) -> None:
    assert latex.words(plain) == text


def test_words_know_every_sign_that_detvar_prints() -> None:
    """Reasons and reports are strings in the sources: none of their signs is unknown."""
    root = Path(dv.__file__).parent
    seen: set[str] = set()
    for folder in FOLDERS:
        for file in (root / folder).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            prose = {id(x.value) for x in ast.walk(tree) if isinstance(x, ast.Expr)}
            for x in ast.walk(tree):
                if isinstance(x, ast.Constant) and isinstance(x.value, str) and id(x) not in prose:
                    seen |= set(re.findall(r"[^\x00-\x7f]", x.value))
    assert len(seen) > 20
    unknown = {c for c in seen if "U+" in latex.words(f"W{c}")}
    assert unknown == set()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (float("-inf"), 2.5), (Rational(1, 3), 1)])
def test_intervals(low: Any, high: Any) -> None:
    text = latex.interval(low, high)
    assert complaints(f"${text}$") == []
    assert text.startswith(r"\left(" if low == float("-inf") else r"\left[")


def test_a_new_kind_of_loss_is_a_loss_with_latex() -> None:
    """The protocol asks for it, so that mypy complains about a loss without."""
    assert {"to_latex", "to_json"} <= set(dir(Loss))
    assert isinstance(problem()[1].kronecker(), Kronecker)


# --- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "--latex"),
        ("classify", "--explain", "--latex"),
        ("points", "--latex"),
        ("points", "--latex", "--all-complex"),
        ("solve", "--latex"),
    ],
)
@pytest.mark.parametrize("kind", ["squared", "weighted"])
def test_latex_from_the_command_line(
    run: Any, tmp_path: Path, words: tuple[str, ...], kind: str
) -> None:
    file = tmp_path / "problem.json"
    loss = weighted().to_json() if kind == "weighted" else problem()[1].to_json()
    weights = [[[0, "1/2"]], [[0], [1]]] if kind == "weighted" else problem()[2]
    file.write_text(json.dumps({"network": [2, 1, 2], "loss": loss, "weights": weights}))
    command, *options = words
    code, out, err = run(command, str(file), *options)
    assert (code, err) == (0, "")
    assert complaints(out) == []
    assert r"\[" in out


def test_explain_from_the_command_line(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "problem.json"
    weights = [[[0, "1/2"]], [[0], [1]]]
    file.write_text(
        json.dumps({"network": [2, 1, 2], "loss": weighted().to_json(), "weights": weights})
    )
    code, out, _ = run("classify", str(file), "--explain")
    assert code == 0
    assert out.startswith(" 1. The network 2-1-2 computes")
    assert "θ is a pure local minimum of L, but not a global one." in out
    code, out, _ = run("classify", str(file), "--explain", "--json")
    steps = json.loads(out)["explanation"]["steps"]
    assert (code, steps[-1]["numbers"]["nature"]) == (0, "local_minimum")
    code, plain, _ = run("classify", str(file), "--json")
    assert "explanation" not in json.loads(plain)

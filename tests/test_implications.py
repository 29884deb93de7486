"""The digraph of implications: rules, witnesses, queries and the picture."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from detvar.errors import InputError

np = pytest.importorskip("numpy")
nx = pytest.importorskip("networkx")
sympy = pytest.importorskip("sympy")

from detvar.landscape import examples  # noqa: E402
from detvar.landscape.conditions import CONDITIONS, condition  # noqa: E402
from detvar.landscape.finite_sum import FiniteSum  # noqa: E402
from detvar.landscape.implication_rules import PROPERTIES, RULES, SHIFT  # noqa: E402
from detvar.landscape.implication_witnesses import WITNESSES, Witness, witness  # noqa: E402
from detvar.landscape.implications import closure, graph, implies, matrix  # noqa: E402

x, y = sympy.symbols("x y", real=True)
IDS = [w.name for w in WITNESSES]


def line(*terms: Any, lower: Any = None) -> FiniteSum:
    return FiniteSum.from_sympy(terms, [x], [(0,)], lower or [0] * len(terms))


def valley() -> FiniteSum:
    """½(y − x³ + 3x)² with the projection by roots of the distance's derivative."""

    def project(points: Any) -> Any:
        flat = points.reshape(-1, 2)
        out = []
        for a, b in flat:
            # (X − a) + (X³ − 3X − b)(3X² − 3) = 0
            roots = np.roots([3, 0, -12, -3 * b, 10, 3 * b - a])
            real = roots[abs(roots.imag) < 1e-9].real
            curve = np.stack([real, real**3 - 3 * real], axis=1)
            out.append(curve[((curve - [a, b]) ** 2).sum(axis=1).argmin()])
        return np.array(out).reshape(points.shape)

    f = FiniteSum.from_sympy([(y - x**3 + 3 * x) ** 2 / 2], [x, y], lower=[0])
    return FiniteSum("valley", 2, 1, f._values, f._gradients, f.lower, _project=project)


def lines() -> FiniteSum:
    f = FiniteSum.from_sympy([y**2 * (y - x / 2) ** 2 * (y - x) ** 2], [x, y], lower=[0])
    directions = np.array([[1, 0], [2, 1], [1, 1]]) / np.sqrt([[1], [5], [2]])

    def project(points: Any) -> Any:
        feet = (points @ directions.T)[..., None] * directions
        distance = np.linalg.norm(points[..., None, :] - feet, axis=-1)
        return np.take_along_axis(feet, distance.argmin(-1)[..., None, None], -2)[..., 0, :]

    return FiniteSum("lines", 2, 1, f._values, f._gradients, f.lower, _project=project)


def problem(name: str) -> FiniteSum:
    """The function of a witness, for sampling: written down a second time."""
    waves = x**2 + 10 * sympy.sin(x) ** 2
    table: Mapping[str, Any] = {
        "curved valley": valley,
        "quartic": lambda: line(x**4),
        "flat well": lambda: line(x**4 / (1 + x**2)),
        "waves": lambda: line(waves),
        "ripples": lambda: line(x**2 + 3 * sympy.sin(x) ** 2),
        "two bells": examples.ex6,
        "star well": lambda: line(sympy.Abs(x) * (1 - sympy.exp(-sympy.Abs(x)))),
        "bell": lambda: line(x**2 / (1 + x**2)),
        "bent parabola": lambda: line(
            11 * x**2 / 10 + 8 * x**2 / (x**2 + 4) - 4 * x * sympy.atan(x / 2)
        ),
        "trough": lambda: FiniteSum.from_sympy(
            [x**2 / 2], [x, y], lower=[0], projection=[sympy.Integer(0), y]
        ),
        "hidden waves": lambda: line(100 * x**2, waves),
        "two parabolas": lambda: line((x - 1) ** 2 / 2, (x + 1) ** 2 / 2),
        "three lines": lines,
    }
    found: FiniteSum = table[name]()
    return found


def samples(f: FiniteSum) -> Any:
    rng = np.random.default_rng(0)
    if f.dimension == 1:
        return np.concatenate([np.linspace(-9, 9, 361), rng.normal(size=40) / 50])[:, None]
    return np.concatenate([3 * rng.normal(size=(250, 2)), [[0.4, -4.6], [4, 0.9], [0.5, 0.5]]])


@pytest.mark.parametrize("one", WITNESSES, ids=IDS)
def test_witnesses_check_themselves(one: Witness) -> None:
    assert one.check()


@pytest.mark.parametrize("one", WITNESSES, ids=IDS)
def test_everything_that_follows_for_a_witness_holds_at_samples(one: Witness) -> None:
    """The rules with their constant maps: none of the derived constants is violated."""
    f = problem(one.name)
    points = samples(f)
    setting = {"L": 1, "sigma2": 1, **one.setting}
    steps = closure(one.satisfies, one.properties, setting)
    assert set(one.satisfies) <= set(steps)
    for name, derivation in steps.items():
        constants = derivation[-1].constants if derivation else one.satisfies[name]
        if name in ("OPC", "QCvx") and f.dimension > 1:
            constants = {**constants, "x_star": f.project(np.zeros(2))}
        found = condition(name).violations(f, points, **_floats(constants))
        assert len(found) == 0, (name, str(found))


def _floats(constants: Mapping[str, Any]) -> dict[str, Any]:
    return {k: float(v) if isinstance(v, (int, Fraction)) else v for k, v in constants.items()}


@pytest.mark.parametrize("one", WITNESSES, ids=IDS)
def test_what_fails_for_a_witness_fails_at_samples(one: Witness) -> None:
    """With a small constant there is a violation, at points that approach the trouble."""
    f = problem(one.name)
    points = samples(f)
    if f.dimension == 1:
        far = 10.0 ** np.linspace(-4, 5, 200)
        points = np.concatenate([points, np.linspace(2, 3, 1001)[:, None], far[:, None]])
    small = {"mu": 1e-6, "theta": 1e-6, "c": 1e-6, "alpha": 1e6, "beta": 1e6 - 1e-3}
    for name in one.fails:
        c = condition(name)
        names = ("alpha", "beta") if name == "AB" else c.constants[:1] if c.constant else ()
        constants: dict[str, Any] = {k: small[k] for k in names}
        if name == "Invex":
            spots = np.linspace(2, 3, 40_001)[:, None] if f.dimension == 1 else points
            constants = {"threshold": 1e-4}
            assert len(c.violations(f, spots, **constants)) > 0
            continue
        if name == "OPC":
            constants["x_star"] = [0.0, 0.0]
            points = np.concatenate([points, [[0.0, 2.0]]])
        if name == "SC" and f.dimension == 2:
            points = np.concatenate([points, [[0.0, 2.0], [0.0, -1.0]]])
        if name == "QCvx" and f.dimension == 2:  # for several of the possible x*
            for t in (-2.0, -0.5, 0.0, 1.0, 3.0):
                star = [t, t**3 - 3 * t]
                s = 3 + np.abs(t) + np.linspace(0, 1, 9)
                near = np.stack([s, s**3 - 3 * s + 1e-3], axis=1)
                assert len(c.violations(f, near, theta=1e-6, x_star=star)) > 0
            continue
        assert len(c.violations(f, points, **constants)) > 0, name


def test_polyak_lojasiewicz_does_not_imply_aiming() -> None:
    """f = ½(y − x³ + 3x)² at (2/5, −23/5), in exact numbers."""
    f = (y - x**3 + 3 * x) ** 2 / 2
    norm = f.diff(x) ** 2 + f.diff(y) ** 2
    assert sympy.factor(norm - 2 * f - 9 * (x**2 - 1) ** 2 * (x**3 - 3 * x - y) ** 2) == 0
    at = {x: sympy.Rational(2, 5), y: sympy.Rational(-23, 5)}
    assert f.subs(at) == sympy.Rational(187489, 31250)
    p = valley().project(np.array([0.4, -4.6]))
    assert p == pytest.approx([-2.2282774, -4.3790558], abs=1e-7)
    g = [float(f.diff(v).subs(at)) for v in (x, y)]
    assert np.dot(g, [0.4 - p[0], -4.6 - p[1]]) == pytest.approx(-22.17762, abs=1e-5)
    found = implies("PL", "Aim")
    assert found.answer is False
    assert found.witness is witness("curved valley")
    assert implies("PL", "AB", ["n = 1"]).answer is False


def test_reachability_needs_all_premises() -> None:
    """A path PL → QG → (Aim + QG) → RSI → Aim exists in the digraph, but is no implication."""
    g = graph()
    assert nx.has_path(g, "PL", "Aim")
    assert implies("PL", "Aim", ["locally Lipschitz"]).answer is False
    assert implies("PL", "RSI", ["L-smooth"]).answer is None
    assert implies("PL", "RSI", ["L-smooth", "Aim"]).answer is True


def test_smoothness_opens_the_way_from_rsi_to_pl() -> None:
    assert implies("RSI", "PL").answer is None
    found = implies("RSI", "PL", ["L-smooth"])
    assert [str(step.rule) for step in found.derivation] == ["RSI → EB", "EB → PL  [L-smooth]"]
    mu, smooth = (sympy.Symbol(v, positive=True) for v in ("mu", "L"))
    assert found.constants["mu"] == mu**2 / smooth
    numbers = implies("RSI", "PL", ["L-smooth"], {"mu": Fraction(1, 2)}, L=4)
    assert numbers.constants["mu"] == Fraction(1, 16)


@pytest.mark.parametrize(
    ("premise", "conclusion", "given"),
    [
        ("SC", "ESC", ()),
        ("SC", "WSC", ()),
        ("WSC", "RSI", ()),
        ("WSC", "Aim", ()),
        ("RSI", "EB", ()),
        ("RSI", "QG", ()),
        ("PL", "QG", ("locally Lipschitz",)),
        ("PL", "EB", ("L-smooth",)),
        ("EB", "PL", ("L-smooth",)),
        ("PL", "KL", ()),
        ("RSI", "Aim", ("L-smooth",)),
        ("Aim", "RSI", ("QG",)),
        ("Aim", "PL", ("QG",)),
        ("SC", "QCvx", ()),
        ("Cvx", "Aim", ()),
        ("QCvx", "Aim", ("unique minimiser",)),
        ("Aim", "QCvx", ("unique minimiser",)),
        ("OPC", "RSI", ()),
        ("RSI", "OPC", ("unique minimiser",)),
        ("Cvx_i", "AB", ()),
        ("Aim_i", "AB", ()),
        ("AB", "AAim", ()),
        ("AB", "Aim", ("Interp",)),
        ("AB", "Aim", ("n = 1",)),
        ("Aim", "AB", ("n = 1",)),
        *((name, "Invex", ()) for name in ("PL", "EB", "RSI", "QCvx", "Aim", "OPC")),
        # for convex f quadratic growth, RSI, EB and PL are equivalent
        ("QG", "RSI", ("Cvx",)),
        ("RSI", "PL", ("Cvx",)),
        ("EB", "QG", ("Cvx", "locally Lipschitz")),
        ("PL", "RSI", ("Cvx", "locally Lipschitz")),
    ],
)
def test_implications_that_hold(premise: str, conclusion: str, given: tuple[str, ...]) -> None:
    found = implies(premise, conclusion, given)
    assert found
    last = found.derivation[-1].rule
    assert last.conclusion == conclusion
    # without the side conditions the rule is not derived
    for name in given:
        if name in PROPERTIES and len(given) == 1:
            assert not implies(premise, conclusion)


@pytest.mark.parametrize(
    ("premise", "conclusion", "given"),
    [
        ("PL", "Aim", ()),
        ("Aim", "PL", ("L-smooth",)),
        ("Aim", "QG", ("L-smooth", "unique minimiser")),
        ("QG", "PL", ("L-smooth",)),
        ("QG", "Aim", ()),
        ("PL", "Cvx", ("L-smooth",)),
        ("QCvx", "Cvx", ("L-smooth",)),
        ("StarCvx", "Cvx", ()),
        ("AB", "Invex", ("L-smooth",)),
        ("SC", "AB", ("Interp",)),
        ("WSC", "Cvx", ()),
        ("WSC", "ESC", ()),
        ("ESC", "SC", ()),
        ("Invex", "PL", ("L-smooth", "n = 1")),
        ("QCvx", "Aim", ()),
        ("PL", "QCvx", ()),
        ("AAim", "Aim", ()),
        ("AB", "Interp", ()),
    ],
)
def test_implications_that_fail(premise: str, conclusion: str, given: tuple[str, ...]) -> None:
    found = implies(premise, conclusion, given)
    assert found.answer is False
    assert found.witness is not None
    assert found.witness.check()
    assert "does not imply" in str(found)


@pytest.mark.parametrize(
    "given", [(), ("L-smooth",), ("n = 1",), ("unique minimiser", "L-smooth")], ids=str
)
def test_answers_are_consistent(given: tuple[str, ...]) -> None:
    """What holds is transitive, and more properties never turn yes into no."""
    answers, bare = matrix(given), matrix()
    names = list(CONDITIONS)
    for a in names:
        assert answers[a, a] is True
        for b in names:
            if bare[a, b]:
                assert answers[a, b] is True
            if answers[a, b] is False:
                assert bare[a, b] is False
            for c in names:
                if answers[a, b] and answers[b, c]:
                    assert answers[a, c] is not False


def test_feasible_pairs_shift() -> None:
    shifted = SHIFT.constants({"AB": {"alpha": 5, "beta": 2}}, {"t": 3})
    assert shifted == {"alpha": 8, "beta": 5}


def test_the_digraph_is_the_rules() -> None:
    g = graph()
    assert set(CONDITIONS) <= set(g)
    ands = {n for n, d in g.nodes(data=True) if d["kind"] == "and"}
    assert ands == {"Aim + QG", "Aim + EB", "AB + Interp", "∅"}
    ruled = [d["rule"] for *_, d in g.edges(data=True) if d["rule"] is not None]
    assert len(ruled) == len(RULES) + 1
    assert set(g["EB"]["PL"]) == {"L-smooth"}
    assert all(r.to_latex() and r.reason for r in RULES)
    assert {r.side for r in RULES} == {"", *PROPERTIES} - {"locally Lipschitz"} | {
        "locally Lipschitz"
    }


def test_queries_refuse_unknown_words() -> None:
    for words in (("PL", "Aiming", ()), ("X", "PL", ()), ("PL", "QG", ("smooth",))):
        with pytest.raises(InputError, match="no condition and no property"):
            implies(*words)


@pytest.mark.parametrize(
    ("constants", "setting"),
    [
        ({"mu": -1}, {}),
        ({"mu": 0}, {"L": 1}),
        ({"mu": float("nan")}, {}),
        ({"mu": "1/2"}, {}),
        ({"nu": 1}, {}),
        ({}, {}),
        (5, {}),
        ({"mu": 1}, {"L": 0}),
        ({"mu": 1}, {"L": -1}),
        ({"mu": 1}, {"M": 1}),
    ],
)
def test_constants_out_of_range_are_refused(constants: Any, setting: dict[str, Any]) -> None:
    """RSI(−1) would else give EB(−1), and the square of that PL(1/L)."""
    with pytest.raises(InputError):
        implies("RSI", "PL", ["L-smooth"], constants, **setting)


def test_alpha_is_above_beta() -> None:
    with pytest.raises(InputError, match="alpha > beta"):
        implies("AB", "AAim", (), {"alpha": 1, "beta": 2})
    assert implies("AB", "AAim", (), {"alpha": 2, "beta": 0}).constants["theta"] == 2


def test_constants_of_different_premises_have_different_names() -> None:
    """Aim(θ) and QG(μ') give RSI(θμ'/2), and EB(μ), the premise, does not."""
    found = implies("EB", "RSI", ["Aim", "QG"])
    theta, mu = (sympy.Symbol(v, positive=True) for v in ("theta", "mu_QG"))
    assert found.constants["mu"] == theta * mu / 2


def test_answers_print() -> None:
    found = implies("RSI", "PL", ["L-smooth"])
    assert str(found).splitlines()[0] == "RSI, given L-smooth, implies PL"
    assert found.to_json()["answer"] is True
    assert r"\[" in found.to_latex()
    unknown = implies("PL", "Aim", ["L-smooth"])
    assert str(unknown) == "PL, given L-smooth, → Aim: not known"
    refuted = implies("PL", "Aim")
    assert refuted.to_json()["witness"] == "curved valley"
    assert refuted.to_latex()


def test_picture_has_no_overlapping_boxes() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from detvar.landscape.implications import plot

    ax = plot()
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    boxes = [t.get_bbox_patch().get_window_extent(renderer) for t in ax.texts]
    boxes.append(ax.get_legend().get_window_extent(renderer))
    assert len(boxes) == len(graph()) + 1
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    inside = ax.get_window_extent(renderer)
    assert all(inside.x0 <= b.x0 and b.x1 <= inside.x1 for b in boxes)
    plt.close(ax.figure)

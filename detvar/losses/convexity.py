"""Convex calculus: what the rules of disciplined convex programming prove about a formula."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from detvar.exact.balls import arb, dyadic, working_precision
from detvar.exact.functions import Function, Interval, Key, Regions, function_of
from detvar.exact.rational import rational, to_fraction
from detvar.losses.fact import (
    LARGE,
    Bound,
    Fact,
    added,
    both,
    closed,
    negative,
    number,
    power,
    reciprocal,
    scaled,
    times,
)
from detvar.losses.quadratic_parts import regrouped, whole_sums

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph


@dataclass(frozen=True)
class Analysis:
    """The facts about a formula.

    Attributes
    ----------
    fact : about the formula itself
    facts : for every node
    powers : (base, exponent) for the nodes that are integer powers
    is_total : whether it is proved to be defined for all W
    domain_is_convex : whether that is proved
    nowhere : the name of a function whose argument is proved to avoid its domain, or None
    """

    fact: Fact
    facts: dict[int, Fact]
    powers: dict[int, tuple[int, int]]
    is_total: bool
    domain_is_convex: bool
    nowhere: str | None

    @property
    def is_convex(self) -> bool:
        """Whether the formula is proved to be convex on its domain, which is convex."""
        return self.fact.convex and self.domain_is_convex


def analyse(graph: Graph, root: int) -> Analysis:
    """Return what the rules prove about a formula.

    The rules: sums, and multiples by numbers; f∘g for f convex and increasing (decreasing) on the
    values of a convex (concave) g; powers; sums and products of log-convex functions are
    log-convex, so that log Σ exp is convex; √(Σ gᵢ²) is convex for affine gᵢ, by Minkowski's
    inequality; g²/h for convex g ≥ 0 and concave h > 0; x log x; quadratic polynomials exactly.

    Notes
    -----
    **Cost**: one pass over the graph, and an inertia for each sum with a quadratic part.
    **Validity**: True is a proof; False says nothing. Where functions or quotients are not
    defined for all W, the facts hold on the domain.

    References
    ----------
    Grant, Boyd, Ye, *Disciplined convex programming* (2006); Boyd, Vandenberghe, *Convex
    optimization* (2004), sections 3.2 and 3.5.

    Examples
    --------
    >>> from detvar.homotopy.expression import Graph
    >>> g = Graph()
    >>> x, y = g.input(0), g.input(1)
    >>> powers = [g.function("exp", x), g.function("exp", y)]
    >>> analyse(g, g.function("log", g.add(*powers))).is_convex
    True
    >>> analyse(g, g.mul(x, y)).is_convex
    False
    """
    return _Pass(graph, root).run()


class _Pass:
    """One pass over the nodes of a formula, operands first."""

    def __init__(self, graph: Graph, root: int) -> None:
        self.graph, self.root = graph, root
        self.nodes = graph.ancestors([root])
        self.facts: dict[int, Fact] = {}
        self.powers: dict[int, tuple[int, int]] = {}  # n = base^exponent
        self.total = self.convex_domain = True
        self.nowhere: str | None = None

    def run(self) -> Analysis:
        tops = whole_sums(self.graph, self.nodes, self.root)
        for n in self.nodes:
            fact = closed(self.fact(n))
            enough = fact.convex if n == self.root else fact.root_convex
            if n in tops and not (enough or fact.affine):
                fact = both(fact, regrouped(self.graph, n, self.facts))
            self.facts[n] = fact
        root = self.facts[self.root]
        return Analysis(root, self.facts, self.powers, self.total, self.convex_domain, self.nowhere)

    def fact(self, n: int) -> Fact:
        from detvar.homotopy.expression import ADD, CONSTANT, DIV, FUNCTION, INPUT, MUL, NEG

        graph, op, a, b = self.graph, self.graph.op[n], self.graph.left[n], self.graph.right[n]
        self.powers[n] = n, 1
        if op == CONSTANT:
            v = to_fraction(rational(graph.values[a]))
            return number(v)
        if op == INPUT:
            return Fact(convex=True, concave=True)
        g = self.facts[a]
        if op == NEG:
            return negative(g)
        if op == FUNCTION:
            return self._applied(graph.key(n), g)
        h = self.facts[b]
        if op == MUL:
            return self._product(n, g, h)
        if op == DIV:
            return self._quotient(g, h)
        return added(g, h if op == ADD else negative(h))

    def _product(self, n: int, g: Fact, h: Fact) -> Fact:
        a, b = self.graph.left[n], self.graph.right[n]
        if g.constant or h.constant:
            return scaled(g, h) if g.constant else scaled(h, g)
        if self.powers[a][0] == self.powers[b][0]:
            base, k = self.powers[a][0], self.powers[a][1] + self.powers[b][1]
            self.powers[n] = base, k
            return power(self.facts[base], k)
        entropy = any(self._is_log_of(y, x) and self.facts[x].affine for x, y in ((a, b), (b, a)))
        return Fact(
            *times((g.low, g.high), (h.low, h.high)),
            nonzero=g.nonzero and h.nonzero,
            convex=entropy,
            log_convex=g.log_convex and h.log_convex,
            log_concave=g.log_concave and h.log_concave,
        )

    def _is_log_of(self, n: int, x: int) -> bool:
        """Whether n is log(c x) with a number c > 0."""
        from detvar.homotopy.expression import MUL

        graph = self.graph
        if not graph.calls("log", n):
            return False
        inner = graph.left[n]
        multiple = graph.op[inner] == MUL and graph.right[inner] == x
        c = self.facts[graph.left[inner]] if multiple else None
        return inner == x or (c is not None and c.constant and c.sign == 1 and c.nonzero)

    def _quotient(self, g: Fact, h: Fact) -> Fact:
        """g/h on the set where h ≠ 0, which is convex if h is, say, concave and ≥ 0."""
        if h.sign < 0:
            g, h = negative(g), negative(h)
        if not h.nonzero:
            self.total = False
            self.convex_domain &= h.sign > 0 and (h.concave or h.log_concave)
        if h.sign <= 0:
            return Fact(nonzero=g.nonzero)
        under = reciprocal(h)
        below = negative(g)
        return Fact(
            *times((g.low, g.high), (under.low, under.high)),
            nonzero=g.nonzero,
            constant=g.constant and h.constant,
            convex=closed(g).root_convex and h.concave,
            concave=closed(below).root_convex and h.concave,
            log_convex=g.log_convex and h.log_concave,
            log_concave=g.log_concave and h.log_convex,
        )

    def _applied(self, key: Key, g: Fact) -> Fact:
        f = function_of(key)
        self._require_domain(f, g)
        values = _meet((g.low, g.high), f.domain)
        up, down = _in(values, f.increasing), _in(values, f.decreasing)
        if f.has_poles and not up:
            self.total = self.convex_domain = False
            return Fact(constant=g.constant)
        kept = g.affine or (g.convex and up) or (g.concave and down)
        turned = g.affine or (g.concave and up) or (g.convex and down)
        low, high = _image(f, values, up, down)
        found = Fact(
            low,
            high,
            nonzero=f.avoids_zero,
            constant=g.constant,
            convex=_in(values, f.convex) and kept,
            concave=_in(values, f.concave) and turned,
            log_convex=_in(values, f.log_convex) and kept,
            log_concave=_in(values, f.log_concave) and turned,
        )
        if key == "log":
            return replace(
                found,
                convex=found.convex or g.log_convex,
                concave=found.concave or g.log_concave,
            )
        if isinstance(key, Fraction):
            same, other = (g.log_convex, g.log_concave) if key > 0 else (g.log_concave, False)
            return replace(
                found,
                nonzero=f.avoids_zero or g.nonzero,
                convex=found.convex or (g.root_convex and 2 * key >= 1),
                root_convex=(g.root_convex and key >= 1) or (found.convex and key >= 2),
                log_convex=found.log_convex or same,
                log_concave=found.log_concave or other or (key < 0 and g.log_convex),
            )
        return found

    def _require_domain(self, f: Function, g: Fact) -> None:
        """Note whether g has values in the domain of f for all W, or on a convex set, or never."""
        low, high = f.domain
        for end, fact in ((low, g), (None if high is None else -high, negative(g))):
            if end is None:
                continue
            strict = f.is_open
            if fact.low is not None and (
                fact.low > end or (fact.low == end and (not strict or (fact.nonzero and end == 0)))
            ):
                continue
            self.total = False
            self.convex_domain &= fact.concave or (end == 0 and fact.log_concave)
            beyond = strict or (fact.nonzero and end == 0)
            if fact.high is not None and (fact.high < end or (beyond and fact.high == end)):
                self.nowhere = f.name


def _meet(values: Interval, domain: Interval) -> Interval:
    low = max((x for x in (values[0], domain[0]) if x is not None), default=None)
    high = min((x for x in (values[1], domain[1]) if x is not None), default=None)
    return low, high


def _in(values: Interval, regions: Regions) -> bool:
    """Whether one of the intervals holds all values."""
    return any(
        (low is None or (values[0] is not None and values[0] >= low))
        and (high is None or (values[1] is not None and values[1] <= high))
        for low, high in regions
    )


def _image(f: Function, values: Interval, up: bool, down: bool) -> Interval:
    """Return bounds for f on an interval, by balls at its ends."""
    first, last = values
    with working_precision(64):
        ends: list[Bound] = [None, None]
        if first is not None and last is not None:
            between = f.ball(arb(rational(first)).union(arb(rational(last))))
            ends = [lower(between), upper(between)]
        if up or down:
            below, above = values if up else (last, first)
            for place, x, bound in ((0, below, lower), (1, above, upper)):
                at = None if x is None else bound(f.ball(arb(rational(x))))
                ends[place] = at if at is not None else ends[place]
    return _meet((ends[0], ends[1]), f.image)


def lower(x: arb) -> Bound:
    """Return a rational number below a ball, None if there is no good one."""
    end: Any = x.lower() if x.is_finite() else None
    if end is None or end < -(2**128):
        return None
    if end > 2**128:
        return LARGE
    if abs(end) < arb(2) ** -128:
        return Fraction(0) if end >= 0 else -1 / LARGE
    return to_fraction(dyadic(end))


def upper(x: arb) -> Bound:
    """Return a rational number above a ball, None if there is no good one."""
    end = lower(-x)
    return None if end is None else -end

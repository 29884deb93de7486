"""All critical points found by tracking or searching, rank by rank, as one result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detvar.critical.analytic.infinity import AtInfinity
from detvar.critical.certified_point import CertifiedPoint, middle
from detvar.critical.reports import RankReport
from detvar.critical.weights_over import critical_weights, gradient_discs
from detvar.errors import InputError, NotCertifiedError
from detvar.exact.matrices import Matrix, to_text_rows
from detvar.exact.rational import versions
from detvar.exact.text import html_table, text_table
from detvar.losses import Loss, Reduction, is_analytic, loss_from_json
from detvar.networks.linear import LinearNetwork, Weights
from detvar.varieties import DeterminantalVariety

if TYPE_CHECKING:
    from detvar.critical.explain import PointsExplanation

HEADERS = ("rank", "matrix", "value", "kind", "nature", "index")


@dataclass(frozen=True)
class CertifiedPoints:
    """The critical points of ℓ on M_r, rank by rank, with the count there must be.

    Attributes
    ----------
    variety : the matrices of rank at most r
    loss : ℓ
    points : all points found, of every rank, real and complex
    reports : for each rank the counts, and why no point is missing
    network : the network whose function space it is, if one was given
    ties : groups of positions in `points` whose values are not proved to differ, where that leaves
        open which one is the global minimum
    seed, seconds : of the search
    at_infinity : for a convex loss that is not algebraic, a direction in M_r along which it
        decreases for ever; None if there is none, or none is known

    Of a loss that is not algebraic only real points are listed, and `reduction` is taken first:
    ranks and matrices of points are those of the effective problem.
    """

    variety: DeterminantalVariety
    loss: Loss
    points: tuple[CertifiedPoint, ...]
    reports: tuple[RankReport, ...]
    network: LinearNetwork | None
    ties: tuple[int, ...]
    seed: int
    seconds: float
    at_infinity: AtInfinity | None = None

    @cached_property
    def reduction(self) -> Reduction | None:
        """The effective problem of a loss that is not algebraic; None for others."""
        if not is_analytic(self.loss):
            return None
        v = self.variety
        within = self.network or LinearNetwork(v.columns, max(v.rank, 1), v.rows)
        reduced: Reduction = self.loss.reduce(within)
        return reduced

    @property
    def bound(self) -> int:
        """The largest rank of a matrix of the problem, or of the effective problem."""
        if self.reduction is None:
            return self.variety.rank
        return min(self.variety.rank, self.reduction.widths[0], self.reduction.widths[-1])

    def of_rank(self, rank: int) -> tuple[CertifiedPoint, ...]:
        """Return the points of one rank."""
        return tuple(p for p in self.points if p.rank == rank)

    @property
    def report(self) -> RankReport:
        """The report on rank r."""
        return next(x for x in self.reports if x.rank == self.bound)

    @property
    def smooth(self) -> tuple[CertifiedPoint, ...]:
        """The points of rank r, where the variety is smooth."""
        return self.of_rank(self.bound)

    @property
    def complex_count(self) -> int:
        """How many certified, pairwise distinct points of rank r there are."""
        return self.report.found

    @property
    def expected_count(self) -> int | None:
        """How many a generic member of the family of losses has; None if no theorem says so."""
        return self.report.expected

    @property
    def expected_count_source(self) -> str:
        """Where the expected count comes from."""
        return self.report.source

    @property
    def is_complete(self) -> bool:
        """Whether it is proved, on every rank, that no critical point is missing."""
        return all(x.is_complete for x in self.reports)

    @property
    def has_every_minimum(self) -> bool:
        """Whether every local minimum is proved to be listed.

        So it is for a complete list, and for a convex loss on all effective matrices as soon as
        the largest rank is complete: there every local minimum is global (Laurent & von Brecht).
        """
        if self.is_complete:
            return True
        loss: Any = None if self.reduction is None else self.reduction.loss
        if loss is None:
            return False
        on_all = self.bound == min(loss.shape) and loss.convexity().answer is True
        return on_all and self.report.is_complete

    @property
    def real(self) -> tuple[CertifiedPoint, ...]:
        """The points of rank r proved real, by increasing loss."""
        return tuple(sorted((p for p in self.smooth if p.is_real), key=middle))

    @property
    def minima(self) -> tuple[CertifiedPoint, ...]:
        """The real points of rank r proved to be local minima, by increasing loss."""
        return tuple(p for p in self.real if p.nature in ("global_minimum", "local_minimum"))

    @property
    def certificates(self) -> list[str]:
        """What is proved of each rank, in lines."""
        return [str(x) for x in self.reports]

    def gradient(self, point: CertifiedPoint) -> Matrix | list[list[tuple[complex, float]]]:
        """Return ∇ℓ at a point: exact, or discs (midpoint, radius) that contain its entries."""
        if point.exact is not None:
            return self.loss.gradient(point.exact)
        return gradient_discs(self.loss, point)

    def weights(self, point: CertifiedPoint) -> Weights:
        """Return critical weights (W_1, …, W_h) of the network over a point; exact rationals.

        Over a point known by discs they have the product of its midpoint, rounded to the rank:
        an approximate critical point, as close as the discs are small.

        Raises
        ------
        InputError
            If no network was given, or the point is not real.
        """
        if self.network is None:
            raise InputError("weights belong to a network: call critical_points with a network")
        if not point.is_real:
            raise InputError("the point is not real: only real points have real weights")
        if self.reduction is None:
            return critical_weights(self.network, point, self.seed)
        small = critical_weights(self.reduction.network, point, self.seed)
        return self.reduction.lift(small)  # effective weights of the lift are these again

    def rows(self, all_complex: bool = False) -> list[tuple[Any, ...]]:
        """Return the table: real points of every rank, or all points."""
        chosen = [p for p in self.points if p.is_real or all_complex]
        chosen.sort(key=lambda p: (-p.rank, not p.is_real, middle(p)))
        return [
            (
                p.rank_text(),
                p.matrix_text(),
                p.value_text(),
                p.kind or "",
                p.nature.replace("_", " "),
                "" if p.index is None else p.index,
            )
            for p in chosen
        ]

    def text(self, all_complex: bool = False) -> str:
        """Return the table with a head and a conclusion."""
        v = self.variety
        of = "" if self.network is None else f" of {self.network}"
        head = f"Critical points{of} on the {v.rows}×{v.columns} matrices of rank at most {v.rank}"
        table = text_table(HEADERS, self.rows(all_complex))
        lines = [head, *self._effective_text(), "", table, "", *self.certificates]
        if self.at_infinity is not None:
            lines.append(str(self.at_infinity))
        if self.ties:
            names = ", ".join(self.points[i].matrix_text() for i in self.ties)
            lines.append(f"not decided: which of these has the smallest value: {names}")
        end = "Complete." if self.is_complete else "Not proved complete."
        if self.has_every_minimum and not self.is_complete:
            end = "Every local minimum is listed; points of lower rank are not proved complete."
        if self.is_complete and any(x.is_modular for x in self.reports):
            end = "Complete, up to unlucky primes."
        lines.append(end)
        return "\n".join(lines)

    def _effective_text(self) -> list[str]:
        """The line that says which effective problem the ranks and matrices belong to."""
        small = self.reduction
        if small is None or not small.changed or small.loss is None:
            return []
        m, n = small.loss.shape
        where = f"the effective {m}×{n} matrices C W B of rank at most {self.bound}"
        c, b = ("; ".join(map(" ".join, to_text_rows(a))) for a in (small.left, small.right))
        return [f"Ranks and matrices are those of {where}, C = [{c}], B = [{b}]"]

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def explain(self) -> PointsExplanation:
        """Return why the list is complete and which minima are global, step by step."""
        from detvar.critical.explain import explain

        return explain(self)

    def to_latex(self, all_complex: bool = False) -> str:
        """Return the problem, the table as in `rows`, and what is proved, as LaTeX text."""
        from detvar.critical.latex import certified_points

        return certified_points(self, all_complex)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self._effective_json() | {
            "kind_of_result": "critical_points",
            "variety": [self.variety.rows, self.variety.columns, self.variety.rank],
            "network": None if self.network is None else list(self.network.widths),
            "loss": self.loss.to_json(),
            "points": [p.to_json() for p in self.points],
            "ranks": [x.to_json() for x in self.reports],
            "complex_count": self.complex_count,
            "expected_count": self.expected_count,
            "expected_count_source": self.expected_count_source,
            "is_complete": self.is_complete,
            "ties": list(self.ties),
            "seed": self.seed,
            "seconds": self.seconds,
            "versions": versions(),
        }

    def _effective_json(self) -> dict[str, Any]:
        """The fields that only losses which are not algebraic have."""
        out: dict[str, Any] = {}
        small = self.reduction
        if small is not None and small.changed and small.loss is not None:
            out["effective"] = {
                "variety": [*small.loss.shape, self.bound],
                "loss": small.loss.to_json(),
                "left": to_text_rows(small.left),
                "right": to_text_rows(small.right),
            }
        if self.at_infinity is not None:
            out["at_infinity"] = self.at_infinity.to_json()
        return out

    @classmethod
    def from_json(cls, data: Any) -> CertifiedPoints:
        """Return the list that `to_json` wrote, bit for bit.

        Its claims are read, not proved again: `detvar.critical.check_result` does that.

        Raises
        ------
        InputError
            If the object does not have the saved form.
        NotCertifiedError
            If the counts at the top contradict those of the ranks.
        """
        if not isinstance(data, dict) or data.get("kind_of_result") != "critical_points":
            raise InputError(
                'the object is no saved list: its kind_of_result must be "critical_points"'
            )
        for name in ("variety", "loss", "points", "ranks", "ties", "seed", "seconds"):
            if name not in data:
                raise InputError(f'the saved points have no field "{name}": save them again')
        sizes, widths = data["variety"], data.get("network")
        if not (isinstance(sizes, list) and len(sizes) == 3):
            raise InputError("variety must be a list [rows, columns, rank]")
        if not (isinstance(data["points"], list) and isinstance(data["ranks"], list)):
            raise InputError("points and ranks must be lists: save the points again")
        try:
            rest = (tuple(int(i) for i in data["ties"]), int(data["seed"]), float(data["seconds"]))
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                "ties, seed and seconds must be numbers: save the points again"
            ) from None
        out = cls(
            DeterminantalVariety(*sizes),
            loss_from_json(data["loss"]),
            tuple(CertifiedPoint.from_json(p) for p in data["points"]),
            tuple(RankReport.from_json(x) for x in data["ranks"]),
            None if widths is None else _network(widths),
            *rest,
            AtInfinity.from_json(data["at_infinity"]) if "at_infinity" in data else None,
        )
        if out.network is not None and out.network.function_space != out.variety:
            raise NotCertifiedError("variety is not the function space of the network")
        if out.reduction is not None and out.reduction.loss is None:
            raise InputError("the loss is constant: there is no list of points to read")
        if sorted(x.rank for x in out.reports) != list(range(out.bound + 1)):
            raise InputError("ranks must hold one report for each rank: save the points again")
        for name in ("complex_count", "expected_count", "expected_count_source", "is_complete"):
            if data.get(name) != getattr(out, name):
                raise NotCertifiedError(f"{name} is not what the reports on the ranks say")
        if data.get("effective") != out._effective_json().get("effective"):
            raise NotCertifiedError("effective is not what the loss and the network say")
        return out


def _network(widths: Any) -> LinearNetwork:
    if not (isinstance(widths, list) and all(type(d) is int for d in widths)):
        raise InputError("network must be a list of widths such as [3, 2, 3]")
    return LinearNetwork(*widths)

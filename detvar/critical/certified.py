"""All critical points found by tracking, rank by rank, as one result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.critical.certified_point import CertifiedPoint, middle
from detvar.critical.reports import RankReport
from detvar.critical.weights_over import critical_weights, gradient_discs
from detvar.errors import InputError, NotCertifiedError
from detvar.exact.matrices import Matrix
from detvar.exact.rational import versions
from detvar.exact.text import html_table, text_table
from detvar.losses import Loss, loss_from_json
from detvar.networks.linear import LinearNetwork, Weights
from detvar.varieties import DeterminantalVariety

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
    """

    variety: DeterminantalVariety
    loss: Loss
    points: tuple[CertifiedPoint, ...]
    reports: tuple[RankReport, ...]
    network: LinearNetwork | None
    ties: tuple[int, ...]
    seed: int
    seconds: float

    def of_rank(self, rank: int) -> tuple[CertifiedPoint, ...]:
        """Return the points of one rank."""
        return tuple(p for p in self.points if p.rank == rank)

    @property
    def report(self) -> RankReport:
        """The report on rank r."""
        return next(x for x in self.reports if x.rank == self.variety.rank)

    @property
    def smooth(self) -> tuple[CertifiedPoint, ...]:
        """The points of rank r, where the variety is smooth."""
        return self.of_rank(self.variety.rank)

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
        return critical_weights(self.network, point, self.seed)

    def rows(self, all_complex: bool = False) -> list[tuple[Any, ...]]:
        """Return the table: real points of every rank, or all points."""
        chosen = [p for p in self.points if p.is_real or all_complex]
        chosen.sort(key=lambda p: (-p.rank, not p.is_real, middle(p)))
        return [
            (
                p.rank,
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
        lines = [head, "", table, "", *self.certificates]
        if self.ties:
            names = ", ".join(self.points[i].matrix_text() for i in self.ties)
            lines.append(f"not decided: which of these has the smallest value: {names}")
        end = "Complete." if self.is_complete else "Not proved complete."
        if self.is_complete and any(x.is_modular for x in self.reports):
            end = "Complete, up to unlucky primes."
        lines.append(end)
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
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
        )
        if out.network is not None and out.network.function_space != out.variety:
            raise NotCertifiedError("variety is not the function space of the network")
        if sorted(x.rank for x in out.reports) != list(range(out.variety.rank + 1)):
            raise InputError("ranks must hold one report for each rank: save the points again")
        for name in ("complex_count", "expected_count", "expected_count_source", "is_complete"):
            if data.get(name) != getattr(out, name):
                raise NotCertifiedError(f"{name} is not what the reports on the ranks say")
        return out


def _network(widths: Any) -> LinearNetwork:
    if not (isinstance(widths, list) and all(type(d) is int for d in widths)):
        raise InputError("network must be a list of widths such as [3, 2, 3]")
    return LinearNetwork(*widths)

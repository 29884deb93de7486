r"""The region of a trace that arrives in chunks."""

from __future__ import annotations

from typing import Any

from detvar.errors import InputError
from detvar.landscape.region import Region
from detvar.landscape.region_rows import checked_delta_min
from detvar.landscape.triples import Triples


class RegionBuilder:
    """Collects triples chunk by chunk; only the active ones are kept in memory.

    Parameters
    ----------
    delta_min, slack
        As in `Region.from_triples`.

    Examples
    --------
    >>> builder = RegionBuilder(delta_min="0.1")
    >>> for chunk in ([1.0], [2.0], [0.5]), ([-0.5], [0.4], [0.8]):
    ...     builder.add(Triples(*chunk))
    >>> len(builder), builder.region().best_ratio().alpha
    (2, 1.0)
    """

    def __init__(self, *, delta_min: Any = 0.0, slack: float = 0.0) -> None:
        self._delta_min, self._slack = checked_delta_min(delta_min), slack
        self._region: Region | None = None

    def __len__(self) -> int:
        return 0 if self._region is None else self._region.count

    def add(self, triples: Triples) -> None:
        """Intersect with the region of further triples; positions go on counting."""
        if len(triples):
            new = Region.from_triples(
                triples, delta_min=self._delta_min, slack=self._slack, first=len(self)
            )
            self._region = new if self._region is None else self._region & new

    def region(self) -> Region:
        """Return the region of everything added so far."""
        if self._region is None:
            raise InputError("no triples were added: add at least one")
        return self._region

    def to_latex(self) -> str:
        """Return the present region as LaTeX text."""
        return "no triples yet" if self._region is None else self._region.to_latex()

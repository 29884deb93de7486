"""Is a trained linear network at a global minimum of its squared loss? The short answer.

The gap [g⁻, g⁺] to the least value is proved, whether the weights are critical or not: g⁻ > 0
refutes global optimality, and g⁺ below a stated tolerance is as much as floats can say for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.optimality.gap import Gap, checked_weights, gap
from detvar.optimality.reading import FloatWeights, read_weights
from detvar.optimality.words import rounded


@dataclass(frozen=True)
class Assessment:
    """What the gap says of float weights.

    Attributes
    ----------
    answer : True if g⁺ ≤ tolerance · L(0), False if g⁻ > tolerance · L(0), otherwise None
    tolerance : relative to the loss at zero
    widths : of the network
    gap : the certified intervals
    reason : one sentence
    tier : "certified": both ends of the gap are proved, for the floats taken as exact numbers
    """

    answer: bool | None
    tolerance: float
    widths: tuple[int, ...]
    gap: Gap
    reason: str
    tier: str = "certified"

    def __str__(self) -> str:
        words = {
            True: "at a global minimum, up to the tolerance",
            False: "not at a global minimum",
            None: "undecided",
        }
        net = "-".join(map(str, self.widths))
        low, high = rounded(self.gap.value, 10)
        return "\n".join(
            [
                f"{words[self.answer]} ({self.tier}): {self.reason}.",
                f"  network {net}, squared loss between {low} and {high}",
                f"  {self.gap}",
            ]
        )

    def to_latex(self) -> str:
        """Return the answer as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self).replace("\n", " "))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text."""
        return {
            "kind_of_result": "assessment",
            "answer": self.answer,
            "tier": self.tier,
            "tolerance": self.tolerance.hex(),
            "network": list(self.widths),
            "reason": self.reason,
            "gap": self.gap.to_json(),
        }


def assess(
    weights: Sequence[Any] | FloatWeights, x: Any, y: Any = None, tolerance: float = 1e-10
) -> Assessment:
    """Say whether the squared loss ½‖WX − Y‖² of float weights is at its least value.

    Parameters
    ----------
    weights : (W_1, …, W_h), float arrays; or anything that `read_weights` takes, biases or not
    x, y : samples × inputs and samples × outputs; or `Moments` and nothing
    tolerance : relative to the loss at zero, ≥ 0

    Raises
    ------
    InputError, ShapeError
        For weights or data that are not finite or do not fit.

    Notes
    -----
    **Cost**: that of `gap`.  **Validity**: both ends of the gap are proved for the floats as exact
    numbers. True means: no weights are better by more than the tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.eye(2), np.diag([2.0, 1.0])
    >>> assess([np.array([[2.0, 0.0]]), np.array([[1.0], [0.0]])], x, y).answer
    True
    >>> assess([np.array([[0.0, 1.0]]), np.array([[0.0], [1.0]])], x, y).answer  # σ₂ kept: a saddle
    False
    """
    if not (isinstance(tolerance, (int, float)) and tolerance >= 0):
        raise InputError("the tolerance is not a number ≥ 0: give one such as 1e-10")
    if not isinstance(weights, (list, tuple)):  # a module, a mapping, a path
        weights = read_weights(weights)
    if isinstance(weights, FloatWeights):
        widths = weights.widths
    else:
        weights = checked_weights(weights)
        widths = (weights[0].shape[1], *(w.shape[0] for w in weights))
    found = gap(weights, x, y)
    # the quotient does not over- or underflow with the data; L(0) may be 0 where it is None
    low, high = found.gap if found.relative is None else found.relative
    limit = 0.0 if found.relative is None else tolerance
    answer: bool | None = None
    if high <= limit:
        answer, reason = (
            True,
            f"no weights are better by more than {tolerance:g} of the loss at zero",
        )
    elif low > limit:
        answer, reason = False, f"some weights are better by at least {rounded(found.gap)[0]}"
    else:
        reason = "the proved interval for the gap contains the tolerance"
    return Assessment(answer, tolerance, widths, found, reason)

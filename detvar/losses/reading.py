"""From the "loss" object of a problem file to a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detvar.errors import DetvarError, InputError
from detvar.losses.bures_wasserstein import BuresWassersteinLoss
from detvar.losses.entrywise import ExponentialLoss, LogCoshLoss, LogisticLoss, PseudoHuberLoss
from detvar.losses.expression import ExpressionLoss
from detvar.losses.likelihood import LikelihoodLoss
from detvar.losses.power import PowerLoss
from detvar.losses.protocol import Loss
from detvar.losses.quadratic import QuadraticLoss
from detvar.losses.softmax import SoftmaxLoss
from detvar.losses.squared import SquaredLoss
from detvar.losses.weighted import WeightedSquaredLoss

_LOSSES: dict[str, tuple[Callable[..., Loss], tuple[str, ...]]] = {
    "squared": (SquaredLoss, ("X", "Y")),
    "weighted": (WeightedSquaredLoss, ("target", "weights")),
    "quadratic": (QuadraticLoss, ("target", "form")),
    "power": (PowerLoss, ("target", "exponent")),
    "likelihood": (LikelihoodLoss, ("counts",)),
    "logistic": (LogisticLoss, ("X", "trials", "positives")),
    "softmax": (SoftmaxLoss, ("X", "counts")),
    "exponential": (ExponentialLoss, ("X", "labels")),
    "pseudo_huber": (PseudoHuberLoss, ("X", "Y", "delta")),
    "log_cosh": (LogCoshLoss, ("X", "Y")),
    "bures_wasserstein": (BuresWassersteinLoss, ("covariance",)),
    "expression": (ExpressionLoss, ("expression",)),
}
_OPTIONAL = {
    "expression": ("shape",),
    "softmax": ("reference",),
    "bures_wasserstein": ("columns",),
}


def loss_from_json(obj: Any, name: str = "loss") -> Loss:
    """Return the loss that a JSON object such as {"type": "squared", "X": …, "Y": …} denotes.

    Parameters
    ----------
    obj : dict
        The field "type" and exactly the fields of that type: squared X Y · weighted target
        weights · quadratic target form · power target exponent · likelihood counts ·
        bures_wasserstein covariance, with columns if W is not square ·
        expression expression, with the shape [m, n] if the largest indices do not tell it.
    name : str
        How to call the object in an error message.

    Raises
    ------
    DetvarError
        One sentence that names the field at fault.

    Examples
    --------
    >>> loss_from_json({"type": "power", "target": [["1/2"]], "exponent": 4}).exponent
    4
    """
    if not isinstance(obj, dict):
        raise InputError(f'{name} must be an object such as {{"type": "squared", "X": …, "Y": …}}')
    known = ", ".join(_LOSSES)
    if "type" not in obj:
        raise InputError(f'{name} has no field "type": write one of {known}')
    kind = obj["type"]
    if not isinstance(kind, str) or kind not in _LOSSES:
        raise InputError(f"{name}.type is {_shown(kind)}: write one of {known}")
    build, fields = _LOSSES[kind]
    for field in fields:
        if field not in obj:
            raise InputError(f'{name} of type "{kind}" has no field "{field}": add it')
    more = _OPTIONAL.get(kind, ())
    for field in obj:
        if field != "type" and field not in fields and field not in more:
            raise InputError(
                f"{name} has the field {_shown(field)}, which type "
                f'"{kind}" does not know: use only {", ".join((*fields, *more))}'
            )
    try:
        return build(*(obj[field] for field in (*fields, *more) if field in obj))
    except DetvarError as error:
        raise type(error)(f"in {name}: {error}") from None


def _shown(x: Any) -> str:
    text = repr(x)
    return text if len(text) < 40 else text[:37] + "..."

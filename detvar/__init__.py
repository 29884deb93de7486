"""detvar: the exact geometry of linear networks and determinantal varieties.

The public names are listed here and looked up when they are first used, so that
``import detvar`` itself computes nothing and loads nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detvar import (
        critical,
        errors,
        exact,
        homotopy,
        landscape,
        losses,
        networks,
        optimality,
        show,
        varieties,
    )
    from detvar.classify import Classification, Verdict, classify
    from detvar.critical import (
        LossPath,
        critical_equations,
        critical_locus,
        critical_points,
        discriminant,
        distance_to_change,
        ed_discriminant,
    )
    from detvar.errors import DetvarError
    from detvar.losses import (
        BuresWassersteinLoss,
        ExponentialLoss,
        ExpressionLoss,
        LikelihoodLoss,
        LogCoshLoss,
        LogisticLoss,
        PowerLoss,
        PseudoHuberLoss,
        QuadraticLoss,
        SoftmaxLoss,
        SquaredLoss,
        SymbolicLoss,
        WeightedSquaredLoss,
    )
    from detvar.networks import LinearNetwork
    from detvar.optimality import check_global_minimum
    from detvar.varieties import DeterminantalVariety

__version__ = "0.1.0"

__all__ = [
    "BuresWassersteinLoss",
    "Classification",
    "DeterminantalVariety",
    "DetvarError",
    "ExponentialLoss",
    "ExpressionLoss",
    "LikelihoodLoss",
    "LinearNetwork",
    "LogCoshLoss",
    "LogisticLoss",
    "LossPath",
    "PowerLoss",
    "PseudoHuberLoss",
    "QuadraticLoss",
    "SoftmaxLoss",
    "SquaredLoss",
    "SymbolicLoss",
    "Verdict",
    "WeightedSquaredLoss",
    "__version__",
    "check_global_minimum",
    "classify",
    "critical",
    "critical_equations",
    "critical_locus",
    "critical_points",
    "discriminant",
    "distance_to_change",
    "ed_discriminant",
    "errors",
    "exact",
    "homotopy",
    "landscape",
    "losses",
    "networks",
    "optimality",
    "show",
    "varieties",
]

_FOLDERS = (
    "classify",
    "critical",
    "errors",
    "exact",
    "homotopy",
    "landscape",
    "losses",
    "networks",
    "optimality",
    "show",
    "varieties",
)
_HOMES = {
    "BuresWassersteinLoss": "detvar.losses",
    "Classification": "detvar.classify",
    "DeterminantalVariety": "detvar.varieties",
    "DetvarError": "detvar.errors",
    "ExponentialLoss": "detvar.losses",
    "ExpressionLoss": "detvar.losses",
    "LikelihoodLoss": "detvar.losses",
    "LinearNetwork": "detvar.networks",
    "LogCoshLoss": "detvar.losses",
    "LogisticLoss": "detvar.losses",
    "LossPath": "detvar.critical",
    "PowerLoss": "detvar.losses",
    "PseudoHuberLoss": "detvar.losses",
    "QuadraticLoss": "detvar.losses",
    "SoftmaxLoss": "detvar.losses",
    "SquaredLoss": "detvar.losses",
    "SymbolicLoss": "detvar.losses",
    "Verdict": "detvar.classify",
    "WeightedSquaredLoss": "detvar.losses",
    "check_global_minimum": "detvar.optimality",
    "critical_equations": "detvar.critical",
    "critical_locus": "detvar.critical",
    "critical_points": "detvar.critical",
    "discriminant": "detvar.critical",
    "distance_to_change": "detvar.critical",
    "ed_discriminant": "detvar.critical",
}


class _CallableFolder(ModuleType):
    """The folder `detvar.classify`, called like the function of the same name in it."""

    def __call__(self, *args: Any, numerical: bool = False, **options: Any) -> Any:
        if numerical:  # floats with margins live on a higher floor than the exact labels
            return import_module("detvar.optimality").classify_numerically(*args, **options)
        return self.classify(*args, **options)


class _Package(ModuleType):
    """The package itself.  Python binds a folder to its parent when it is first imported, which
    would hide the function `classify` behind the folder `classify`; so the folder is callable."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "classify" and isinstance(value, ModuleType):
            value.__class__ = _CallableFolder
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name in _FOLDERS:
        return import_module(f"detvar.{name}")
    raise AttributeError(f"module 'detvar' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})

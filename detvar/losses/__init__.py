"""Losses on m×n matrices: value, gradient, Hessian, convexity, and effective data."""

from detvar.losses.analytic import AnalyticLoss, Convexity, is_analytic
from detvar.losses.bures_wasserstein import BuresWassersteinLoss
from detvar.losses.convex_on import convex_on
from detvar.losses.entrywise import ExponentialLoss, LogCoshLoss, LogisticLoss, PseudoHuberLoss
from detvar.losses.expression import ExpressionLoss
from detvar.losses.growth import (
    Attainment,
    Growth,
    attainment,
    is_coercive,
    recession_direction,
    sublevel_box,
)
from detvar.losses.likelihood import LikelihoodLoss
from detvar.losses.power import PowerLoss
from detvar.losses.protocol import Kronecker, Loss, is_polynomial
from detvar.losses.quadratic import QuadraticLoss
from detvar.losses.reading import loss_from_json
from detvar.losses.reduction import Reduction
from detvar.losses.softmax import SoftmaxLoss
from detvar.losses.squared import SquaredLoss
from detvar.losses.symbolic import SymbolicLoss
from detvar.losses.weighted import WeightedSquaredLoss

__all__ = [
    "AnalyticLoss",
    "Attainment",
    "BuresWassersteinLoss",
    "Convexity",
    "ExponentialLoss",
    "ExpressionLoss",
    "Growth",
    "Kronecker",
    "LikelihoodLoss",
    "LogCoshLoss",
    "LogisticLoss",
    "Loss",
    "PowerLoss",
    "PseudoHuberLoss",
    "QuadraticLoss",
    "Reduction",
    "SoftmaxLoss",
    "SquaredLoss",
    "SymbolicLoss",
    "WeightedSquaredLoss",
    "attainment",
    "convex_on",
    "is_analytic",
    "is_coercive",
    "is_polynomial",
    "loss_from_json",
    "recession_direction",
    "sublevel_box",
]

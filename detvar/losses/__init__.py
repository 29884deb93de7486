"""Losses on m×n matrices: value, gradient, Hessian, convexity, and effective data."""

from detvar.losses.expression import ExpressionLoss
from detvar.losses.likelihood import LikelihoodLoss
from detvar.losses.power import PowerLoss
from detvar.losses.protocol import Kronecker, Loss, is_polynomial
from detvar.losses.quadratic import QuadraticLoss
from detvar.losses.reading import loss_from_json
from detvar.losses.reduction import Reduction
from detvar.losses.squared import SquaredLoss
from detvar.losses.weighted import WeightedSquaredLoss

__all__ = [
    "ExpressionLoss",
    "Kronecker",
    "LikelihoodLoss",
    "Loss",
    "PowerLoss",
    "QuadraticLoss",
    "Reduction",
    "SquaredLoss",
    "WeightedSquaredLoss",
    "is_polynomial",
    "loss_from_json",
]

"""Is a trained network at a global minimum? Floating-point weights, with proved bounds."""

from detvar.optimality.assessment import Assessment, assess
from detvar.optimality.data import Data, batches, read_data
from detvar.optimality.escape import Escape, balancedness, escape
from detvar.optimality.gap import Gap, gap
from detvar.optimality.minimal_value import minimal_value
from detvar.optimality.moments import Moments, moments
from detvar.optimality.nonlinear import (
    FunctionSpaceCondition,
    increasing_activations,
    linear_tail,
    residual_contractions,
    smallest_singular_value,
)
from detvar.optimality.parametric import (
    ParametricCondition,
    output_jacobian,
    parametric_condition,
)
from detvar.optimality.reading import FloatWeights, read_weights
from detvar.optimality.verdict import FloatVerdict, check_global_minimum

__all__ = [
    "Assessment",
    "Data",
    "Escape",
    "FloatVerdict",
    "FloatWeights",
    "FunctionSpaceCondition",
    "Gap",
    "Moments",
    "ParametricCondition",
    "assess",
    "balancedness",
    "batches",
    "check_global_minimum",
    "escape",
    "gap",
    "increasing_activations",
    "linear_tail",
    "minimal_value",
    "moments",
    "output_jacobian",
    "parametric_condition",
    "read_data",
    "read_weights",
    "residual_contractions",
    "smallest_singular_value",
]

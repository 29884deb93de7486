"""Is a trained network at a global minimum? Floating-point weights, with proved bounds."""

from detvar.optimality.assessment import Assessment, assess
from detvar.optimality.balance import Conserved, balancedness, conserved
from detvar.optimality.convex_gap import ConvexGap, convex_gap
from detvar.optimality.data import Data, batches, read_data
from detvar.optimality.escape import Escape, escape
from detvar.optimality.gap import Gap, gap
from detvar.optimality.jacobian import JacobianBound, linear_jacobian
from detvar.optimality.margins import Margin, NumericalClassification
from detvar.optimality.minimal_value import minimal_value
from detvar.optimality.moments import Moments, moments
from detvar.optimality.nonlinear import (
    FunctionSpaceCondition,
    increasing_activations,
    linear_tail,
    residual_contractions,
    smallest_singular_value,
)
from detvar.optimality.nonlinear_modules import function_space_conditions
from detvar.optimality.numerical import classify_numerically
from detvar.optimality.parametric import (
    ParametricCondition,
    output_jacobian,
    parametric_condition,
)
from detvar.optimality.reading import FloatWeights, read_weights
from detvar.optimality.verdict import FloatVerdict, check_global_minimum

__all__ = [
    "Assessment",
    "Conserved",
    "ConvexGap",
    "Data",
    "Escape",
    "FloatVerdict",
    "FloatWeights",
    "FunctionSpaceCondition",
    "Gap",
    "JacobianBound",
    "Margin",
    "Moments",
    "NumericalClassification",
    "ParametricCondition",
    "assess",
    "balancedness",
    "batches",
    "check_global_minimum",
    "classify_numerically",
    "conserved",
    "convex_gap",
    "escape",
    "function_space_conditions",
    "gap",
    "increasing_activations",
    "linear_jacobian",
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

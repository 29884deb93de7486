"""The exact tier: Gröbner bases by FLINT and msolve, elimination, and the tracked points agree."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb
from pathlib import Path
from random import Random
from typing import Any

import pytest

from detvar.critical import critical_points, exact_count as count_module
from detvar.critical.critical_ideal import critical_ideals
from detvar.critical.elimination import univariate_critical_points
from detvar.critical.exact_count import exact_count
from detvar.critical.exact_points import exact_points
from detvar.errors import (
    IncompleteError,
    InputError,
    MissingExtraError,
    PositiveDimensionalError,
)
from detvar.exact import msolve
from detvar.exact.algebraic import RealAlgebraic, real_algebraic, real_roots, square_root
from detvar.exact.groebner import groebner_basis
from detvar.exact.matrices import Matrix, identity, inner, is_zero, matrix, rank, unvec, vec, zeros
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.polynomials import primitive
from detvar.exact.quotient_algebra import QuotientAlgebra
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import RationalFunction, polynomial_ring
from detvar.exact.staircase import dimension, standard_monomials
from detvar.exact.univariate import Univariate, interpolate, rank_modulo
from detvar.losses import (
    ExpressionLoss,
    LikelihoodLoss,
    Loss,
    PowerLoss,
    QuadraticLoss,
    WeightedSquaredLoss,
)
from detvar.varieties import DeterminantalVariety
"""placeholder"""

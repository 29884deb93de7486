"""Polynomial systems with parameters: write, differentiate, track, find all solutions.

A `System` is written as a Python function, `monodromy` finds its solutions over generic
parameters, `parameter_homotopy` moves them to given ones, and `total_degree` counts them in
an independent way.  What these return is floating point: candidates, to be proved by `certify`.
"""

from detvar.homotopy.certified_zeros import CertifiedZeros
from detvar.homotopy.certify import certify
from detvar.homotopy.charts import Charts
from detvar.homotopy.distinct import PointSet
from detvar.homotopy.homotopies import (
    Solutions,
    TotalDegree,
    linear_trace,
    parameter_homotopy,
    total_degree,
)
from detvar.homotopy.monodromy import Fiber, monodromy, start_pair
from detvar.homotopy.system import System
from detvar.homotopy.tape import Tape
from detvar.homotopy.tracker import Status, TrackOptions, TrackResult, track

__all__ = [
    "CertifiedZeros",
    "Charts",
    "Fiber",
    "PointSet",
    "Solutions",
    "Status",
    "System",
    "Tape",
    "TotalDegree",
    "TrackOptions",
    "TrackResult",
    "certify",
    "linear_trace",
    "monodromy",
    "parameter_homotopy",
    "start_pair",
    "total_degree",
    "track",
]

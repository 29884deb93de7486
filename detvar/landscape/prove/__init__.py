"""Proofs that the condition (α, β) holds on the whole space, and points at which it fails."""

from detvar.landscape.prove.certificate import Certificate
from detvar.landscape.prove.proving import prove
from detvar.landscape.prove.reading import LandscapeProblem, read_landscape_problem

__all__ = ["Certificate", "LandscapeProblem", "prove", "read_landscape_problem"]

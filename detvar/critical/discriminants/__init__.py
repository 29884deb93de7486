"""How the critical points change with the data."""

from detvar.critical.discriminants.distance import ChangeDistance, distance_to_change
from detvar.critical.discriminants.ed import EDDiscriminant, ed_discriminant
from detvar.critical.discriminants.main import discriminant
from detvar.critical.discriminants.path import LossPath, path_of
from detvar.critical.discriminants.pieces import Event, Factor, Piece
from detvar.critical.discriminants.report import DiscriminantReport

__all__ = [
    "ChangeDistance",
    "DiscriminantReport",
    "EDDiscriminant",
    "Event",
    "Factor",
    "LossPath",
    "Piece",
    "discriminant",
    "distance_to_change",
    "ed_discriminant",
    "path_of",
]

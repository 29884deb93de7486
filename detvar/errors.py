"""The exception tree: every error detvar raises on purpose is a `DetvarError`.

Each message is one sentence that names the offending field and says what to
write instead, so that the command line can print it as it is.
"""

from __future__ import annotations


class DetvarError(Exception):
    """Root of all errors raised on purpose by detvar."""


class ShapeError(DetvarError, ValueError):
    """Matrices, widths or ranks that do not fit together."""


class NotExactError(DetvarError, TypeError):
    """A number that cannot enter Q: a float, a boolean, NaN, or not a number at all."""


class InputError(DetvarError, ValueError):
    """A file, a JSON document or an argument that does not have the documented form."""


class PositiveDimensionalError(DetvarError):
    """A finite list was asked for, but the set has positive dimension."""


class IncompleteError(DetvarError):
    """Fewer objects were found than there must be, or a stated budget ended first."""


class NotCertifiedError(DetvarError):
    """A certificate that does not prove what it claims."""


class MissingExtraError(DetvarError, ImportError):
    """An optional dependency is absent; the message is the pip line that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs {package}, which is not installed: type  pip install 'detvar[{extra}]'"
        )

"""Saved results: read them back and check them from the problem alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detvar.classify import Certificate, CheckReport, Classification
from detvar.critical.locus import CriticalLocus
from detvar.errors import InputError, NotCertifiedError


def check_result(obj: Any) -> CheckReport:
    """Check a saved classification or critical locus.

    Two things are done: the evidence is verified by its own route, and the whole answer is
    computed again from the problem in the file and compared word by word.

    Parameters
    ----------
    obj : dict
        What `to_json` wrote, with the field "kind_of_result".

    Returns
    -------
    CheckReport

    Raises
    ------
    InputError
        If the object is no saved result.
    """
    if not isinstance(obj, dict) or "kind_of_result" not in obj:
        raise InputError(
            'the file is no saved result: it has no field "kind_of_result"; '
            "save one with  detvar solve … --output FILE"
        )
    kinds = {"classification": _check_classification, "critical_locus": _check_locus}
    kind = obj["kind_of_result"]
    if not isinstance(kind, str) or kind not in kinds:
        raise InputError(f"kind_of_result must be one of {', '.join(kinds)}")
    return kinds[kind](obj)


def _check_classification(obj: dict[str, Any]) -> CheckReport:
    certificate = Certificate.from_json(obj.get("certificate"))
    if certificate.claim != obj.get("nature"):
        return CheckReport(False, ("refused: the certificate is for another nature",))
    report = certificate.check()
    return _compared(obj, Classification.from_json, report) if report.ok else report


def _check_locus(obj: dict[str, Any]) -> CheckReport:
    return _compared(obj, lambda saved: CriticalLocus.from_json(saved).check())


def _compared(
    obj: dict[str, Any], load: Callable[[Any], Any], report: CheckReport | None = None
) -> CheckReport:
    """Load a saved answer, which compares it with a fresh one, and add that to the report."""
    try:
        loaded = load(obj)
    except NotCertifiedError as error:
        return CheckReport(False, (f"refused: {error}",))
    out = loaded if report is None else report
    lines = (*out.lines, "every field agrees with a fresh computation")
    return CheckReport(out.ok, lines if out.ok else out.lines)

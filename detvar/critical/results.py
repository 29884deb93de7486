"""Saved results: read them back and check them from the problem alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detvar.classify import Certificate, CheckReport, Classification
from detvar.classify.certificate import require_same
from detvar.critical.certified import CertifiedPoints
from detvar.critical.locus import CriticalLocus
from detvar.critical.points import critical_points
from detvar.errors import InputError, NotCertifiedError
from detvar.losses import loss_from_json
from detvar.varieties import DeterminantalVariety


def check_result(obj: Any) -> CheckReport:
    """Check a saved classification, critical locus, list of critical points or discriminant.

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
    kinds = {
        "classification": _check_classification,
        "critical_locus": _check_locus,
        "critical_points": _check_points,
        "discriminant": _check_discriminant,
    }
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


def _check_points(obj: dict[str, Any]) -> CheckReport:
    """Certify saved matrices again, without tracking anything; closed forms are recomputed."""
    if "points" in obj:
        from detvar.critical.recertify import recertify

        try:
            saved = CertifiedPoints.from_json(obj)
        except NotCertifiedError as error:
            return CheckReport(False, (f"refused: {error}",))
        return recertify(saved)
    for field in ("variety", "loss"):
        if field not in obj:
            raise InputError(f'the saved points have no field "{field}": save them again')
    sizes = obj["variety"]
    if not (isinstance(sizes, list) and len(sizes) == 3):
        raise InputError("variety must be a list [rows, columns, rank]")
    variety = DeterminantalVariety(*sizes)
    loss = loss_from_json(obj["loss"])
    again = critical_points(variety, loss)
    try:
        require_same(obj, again.to_json())
    except NotCertifiedError as error:
        return CheckReport(False, (f"refused: {error}",))
    return CheckReport(True, (*again.certificates, "every field agrees with a fresh computation"))


def _check_discriminant(obj: dict[str, Any]) -> CheckReport:
    """Recount one value of the parameter at a time; elimination is done again as well."""
    from detvar.critical.discriminants import DiscriminantReport, discriminant

    saved = DiscriminantReport.from_json(obj)
    lines = saved.check()
    if lines[-1].startswith("refused"):
        return CheckReport(False, tuple(lines))
    if saved.method == "elimination":
        try:
            require_same(obj, discriminant(saved.path, interval=saved.interval).to_json())
        except NotCertifiedError as error:
            return CheckReport(False, (f"refused: {error}",))
        lines.append("every field agrees with a fresh computation")
    return CheckReport(True, tuple(lines))


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

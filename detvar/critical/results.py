"""Saved results: read them back and check them from the problem alone."""

from __future__ import annotations

from typing import Any

from detvar.classify import Certificate, CheckReport, classify
from detvar.critical.locus import critical_locus
from detvar.critical.witness import check_locus
from detvar.errors import DetvarError, InputError
from detvar.losses import loss_from_json
from detvar.networks.linear import LinearNetwork


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
    if "certificate" not in obj:
        raise InputError("the classification has no certificate: save it with --json")
    certificate = Certificate.from_json(obj["certificate"])
    if certificate.claim != obj.get("nature"):
        return CheckReport(False, ("refused: the certificate is for another nature",))
    report = certificate.check()
    if not report.ok:
        return report
    again = classify(certificate.network, certificate.loss, certificate.weights).to_json()
    return _compared(obj, again, report.lines)


def _check_locus(obj: dict[str, Any]) -> CheckReport:
    for field in ("network", "loss"):
        if field not in obj:
            raise InputError(f'the saved locus has no field "{field}": save it again')
    if not isinstance(obj["network"], list):
        raise InputError("network must be a list of widths, such as [3, 2, 3]")
    network = LinearNetwork(*obj["network"])
    ranks = obj.get("ranks")
    if ranks is not None and not (isinstance(ranks, list) and all(type(r) is int for r in ranks)):
        raise InputError("ranks must be a list of integers")
    locus = critical_locus(network, loss_from_json(obj["loss"]), ranks)
    report = _compared(obj, locus.to_json(), ())
    if not report.ok:
        return report
    try:
        lines = check_locus(locus)
    except DetvarError as error:
        lines = [f"refused: {error}"]
    return CheckReport(not lines[-1].startswith("refused"), (*lines, *report.lines))


def _compared(saved: dict[str, Any], again: dict[str, Any], lines: tuple[str, ...]) -> CheckReport:
    """Compare a saved answer with the one computed again, field by field."""
    for field in sorted((set(saved) | set(again)) - {"versions"}):
        if saved.get(field) != again.get(field):
            return CheckReport(
                False, (*lines, f'refused: the field "{field}" is not what the problem gives')
            )
    return CheckReport(True, (*lines, "every field agrees with a fresh computation"))

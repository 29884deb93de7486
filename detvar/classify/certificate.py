"""Certificates: what shows that a label is right, and how to check it again.

A label is found by ranks, interval coordinates and characteristic polynomials.  It is checked
here by other means: L multiplied out over Q[t], LDLᵀ factorisations, a polynomial chart of the
function space.  A certificate holds the problem and the evidence, and nothing that it would have
to be believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.classify import verify
from detvar.errors import DetvarError, InputError, NotCertifiedError
from detvar.exact.latex import words
from detvar.exact.matrices import Matrix, matrix, to_text_rows
from detvar.exact.rational import Rational, rational, to_text
from detvar.losses import Loss, loss_from_json
from detvar.networks.linear import LinearNetwork, Weights

_DIRECTIONS = ("down", "up", "curve")


@dataclass(frozen=True)
class CheckReport:
    """The outcome of a check: `ok`, and one line for each thing that was looked at."""

    ok: bool
    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def to_latex(self) -> str:
        """Return the lines as LaTeX text."""
        return " \\\\\n".join(map(words, self.lines))


@dataclass(frozen=True)
class Certificate:
    """A claim about one weight vector, with the evidence that proves it.

    Attributes
    ----------
    claim : the nature claimed, such as "strict_saddle", or "not_critical"
    network, loss, weights : the problem as given
    evidence : rationals, directions and curves, named as in `detvar.classify.verify`

    Examples
    --------
    >>> from detvar import LinearNetwork, SquaredLoss, classify
    >>> net, loss = LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[1]])
    >>> proof = classify(net, loss, [[[0]], [[0]]]).certificate
    >>> proof.claim, proof.check().ok
    ('strict_saddle', True)
    """

    claim: str
    network: LinearNetwork
    loss: Loss
    weights: Weights
    evidence: dict[str, Any]

    def check(self) -> CheckReport:
        """Verify the claim from the problem and the evidence alone.

        Returns
        -------
        CheckReport
            `ok` is False as soon as one step fails; its line says which.

        Notes
        -----
        **Cost**: products over Q[t] and LDLᵀ factorisations. With more than 160 weights the
        stated inertia is only counted again, and a non-strict saddle of a Kronecker loss is checked
        through pivots and the separating threshold instead of its Hessian.
        """
        try:
            lines = verify.verify(self.claim, self.network, self.loss, self.weights, self.evidence)
        except (verify.Refused, DetvarError) as error:
            return CheckReport(False, (f"refused: {error}",))
        return CheckReport(True, tuple(lines))

    def to_latex(self) -> str:
        """Return the problem, the claim and the evidence, as LaTeX text."""
        from detvar.classify.latex import certificate

        return certificate(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` is its inverse."""
        evidence: dict[str, Any] = {}
        for key, value in self.evidence.items():
            if value is None:
                continue
            if key in _DIRECTIONS:
                evidence[key] = [to_text_rows(v) for v in value]
            elif isinstance(value, Rational):
                evidence[key] = to_text(value)
            elif isinstance(value, Matrix):
                evidence[key] = to_text_rows(value)
            else:
                evidence[key] = value
        return {
            "claim": self.claim,
            "network": list(self.network.widths),
            "loss": self.loss.to_json(),
            "weights": [to_text_rows(w) for w in self.weights],
            "evidence": evidence,
        }

    @classmethod
    def from_json(cls, obj: Any, name: str = "certificate") -> Certificate:
        """Read a certificate back; raise `InputError` if the object is not one."""
        fields = {"claim": str, "network": list, "loss": dict, "weights": list, "evidence": dict}
        if not isinstance(obj, dict) or set(obj) != set(fields):
            raise InputError(f"{name} must be an object with the fields {', '.join(fields)}")
        for key, kind in fields.items():
            if not isinstance(obj[key], kind):
                raise InputError(f"{name}.{key} must be a {kind.__name__}")
        network = LinearNetwork(*obj["network"])
        evidence: dict[str, Any] = {}
        for key, value in obj["evidence"].items():
            where = f"{name}.evidence.{key}"
            if key in _DIRECTIONS:
                evidence[key] = network.check_weights(value)
            elif key in ("threshold", "derivative"):
                evidence[key] = rational(value, where)
            elif key in ("lower_point",):
                evidence[key] = matrix(value, where)
            elif key == "by" and isinstance(value, str):
                evidence[key] = value
            elif (
                key == "inertia"
                and _is_counts(value, 3)
                or key == "position"
                and _is_counts(value, 3)
            ):
                evidence[key] = list(value)
            else:
                raise InputError(f"{where} is not a field of a certificate: remove it")
        return cls(
            obj["claim"],
            network,
            loss_from_json(obj["loss"], f"{name}.loss"),
            network.check_weights(obj["weights"]),
            evidence,
        )


def _is_counts(value: Any, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == length
        and all(isinstance(x, int) and not isinstance(x, bool) and x >= 0 for x in value)
    )


def require_same(saved: dict[str, Any], again: dict[str, Any]) -> None:
    """Raise `NotCertifiedError` unless a saved answer is the one computed again, word by word.

    Versions may differ; everything else is exact, and the same for everybody.
    """
    for field in sorted((set(saved) | set(again)) - {"versions"}):
        if saved.get(field) != again.get(field):
            raise NotCertifiedError(f'the field "{field}" is not what the problem gives')

"""The softmax (cross-entropy) loss of class counts, and its form without the shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detvar.errors import InputError
from detvar.exact.matrices import Matrix, identity, matrix, submatrix, to_text_rows
from detvar.exact.rational import Rational, to_text
from detvar.losses.growth import Growth
from detvar.losses.kits import Kit
from detvar.losses.protocol import Loss
from detvar.losses.reduction import Reduction, reduction, require_network
from detvar.losses.samples import (
    OnSamples,
    Second,
    exact_field,
    input_coordinates,
    input_rows,
    require_samples,
)


@dataclass(frozen=True)
class SoftmaxLoss(OnSamples):
    """ℓ(W) = Σ_s N_s log Σ_i exp z_is − Σ_is c_is z_is with z = WX and N_s = Σ_i c_is.

    It is −log likelihood of c_is observations of class i, with probabilities softmax(W x_s). It
    does not change when one number is added to all logits of a sample, so one class can be given
    the logit 0: then it is the loss with a `reference`, on matrices with one row less.

    Parameters
    ----------
    X : n×S, one column per sample
    counts : c, m×S, non-negative, such as one-hot columns or label smoothing
    reference : S counts of one more class, whose logit is always 0

    Raises
    ------
    InputError
        If a count is negative, the counts of a sample sum to zero, or there is one class only.

    Notes
    -----
    **Validity**: the minimum is attained (up to the shift) if and only if the data are not
    separable. `reduce` divides the shift out; two classes then are a logistic regression.
    Bridle (1990).

    Examples
    --------
    >>> loss = SoftmaxLoss([[1]], [[1], [3]])
    >>> float(loss.value_array([[0.0], [0.0]]))  # 4 log 2
    2.772588722239781
    """

    X: Matrix
    counts: Matrix
    reference: Matrix | None = None
    _name: ClassVar[str] = "softmax"
    _why_convex: ClassVar[str] = "a sum of N log Σ exp(linear) minus linear terms, with N ≥ 0"

    def __init__(self, X: Any, counts: Any, reference: Any = None) -> None:  # noqa: N803
        x, c = exact_field(X, "X"), exact_field(counts, "counts")
        require_samples(x, c, "counts")
        base = None if reference is None else _row(reference, c.ncols())
        table = c.tolist() + ([] if base is None else base.tolist())
        if len(table) < 2:
            raise InputError("counts has one class only: give at least two rows")
        for i, row in enumerate(table):
            for s, k in enumerate(row):
                if k < 0:
                    name = f"counts[{i}][{s}]" if i < c.nrows() else f"reference[{s}]"
                    raise InputError(f"{name} is {to_text(k)}: give counts from 0 on")
        for s, column in enumerate(zip(*table, strict=True)):
            if not any(column):
                raise InputError(f"the counts of sample {s} sum to zero: leave that sample out")
        object.__setattr__(self, "X", x)
        object.__setattr__(self, "counts", c)
        object.__setattr__(self, "reference", base)

    @classmethod
    def from_labels(cls, X: Any, labels: Any, classes: int) -> SoftmaxLoss:  # noqa: N803
        """Return the loss of one observation for each label 0, …, classes − 1.

        >>> SoftmaxLoss.from_labels([[1, 2]], [2, 0], 3).counts.tolist()
        [[0, 1], [0, 0], [1, 0]]
        """
        known = list(labels)
        for s, y in enumerate(known):
            if isinstance(y, bool) or not hasattr(y, "__index__") or not 0 <= y < classes:
                raise InputError(
                    f"labels[{s}] is {y!r}: give a whole number from 0 to {classes - 1}"
                )
        return cls(X, [[int(int(y) == i) for y in known] for i in range(classes)])

    @property
    def outputs(self) -> int:
        """m, the number of rows of W."""
        return self.counts.nrows()

    @property
    def _tables(self) -> tuple[Matrix, ...]:
        totals = [
            [sum(column, Rational(0)) for column in zip(*self._all_counts(), strict=True)]
        ] * self.outputs
        return self.counts, matrix(totals)

    def _all_counts(self) -> list[list[Rational]]:
        """The counts of every class, that of logit 0 last."""
        return self.counts.tolist() + ([] if self.reference is None else self.reference.tolist())

    def _with_inputs(self, x: Matrix) -> SoftmaxLoss:
        return SoftmaxLoss(x, self.counts, self.reference)

    def _logits(self, z: list[Any]) -> list[Any]:
        return z if self.reference is None else [*z, z[0] * 0]

    def _value(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Any:
        counts, totals = data
        out = totals[0] * kit.log_sum_exp(self._logits(z))
        for c, t in zip(counts, z, strict=True):
            out = out - c * t
        return out

    def _first(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> list[Any]:
        shares = kit.softmax(self._logits(z))
        return [n * p - c for p, c, n in zip(shares, *data, strict=False)]

    def _second(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Second:
        p, n = kit.softmax(self._logits(z)), data[1][0]
        m = len(z)
        out = {(i, k): -n * p[i] * p[k] for i in range(m) for k in range(i + 1, m)}
        out |= {(i, i): n * (1 - kit.square(2 * p[i] - 1)) / 4 for i in range(m)}
        return dict(sorted(out.items()))

    def growth(self) -> Growth:
        """Return ℓ ≥ Σ_is c_is Σ_j (z_j − z_i)⁺/(k − 1) for k classes, as log Σ exp z ≥ max z."""
        table = self._all_counts()
        classes = len(table)
        rows, slopes = [], []
        for s, forms in enumerate(input_rows(self.X, self.outputs)):
            logits = forms if self.reference is None else [*forms, [c * 0 for c in forms[0]]]
            for i in range(classes):
                if not table[i][s]:
                    continue
                for j in range(classes):
                    if j != i:
                        pairs = zip(logits[i], logits[j], strict=True)
                        rows.append([a - b for a, b in pairs])
                        slopes.append(table[i][s] / (classes - 1))
        return Growth(matrix(rows), tuple(slopes), Rational(0))

    def reduce(self, network: Any) -> Reduction:
        """Return the effective problem: one class as reference, and inputs in a basis of Col X.

        With C = (I, −1) the loss is ℓ(W) = ℓ′(C W B), where ℓ′ has the last class as reference.
        """
        if self.reference is not None:
            return super().reduce(network)
        require_network(network, self.shape)
        m = self.outputs
        basis, x = input_coordinates(self.X)
        left = matrix([[int(i == j) - int(j == m - 1) for j in range(m)] for i in range(m - 1)])
        if basis.ncols() == 0:
            return reduction(network, left, basis, None)
        if basis.ncols() == self.X.nrows():
            basis, x = identity(self.X.nrows()), self.X
        samples = range(self.counts.ncols())
        free = submatrix(self.counts, range(m - 1), samples)
        last = submatrix(self.counts, [m - 1], samples)
        return reduction(network, left, basis, SoftmaxLoss(x, free, last))

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "softmax", "X": …, "counts": …} and "reference" if there is one."""
        out = super().to_json() | {"counts": to_text_rows(self.counts)}
        if self.reference is not None:
            out["reference"] = to_text_rows(self.reference)[0]
        return out


def _row(reference: Any, samples: int) -> Matrix:
    """Return the counts of the reference class as one row."""
    given = reference.tolist() if isinstance(reference, Matrix) else [list(reference)]
    row = exact_field(given, "reference")
    if (row.nrows(), row.ncols()) != (1, samples):
        raise InputError(f"reference must list {samples} counts, one for each sample")
    return row


_: type[Loss] = SoftmaxLoss  # the protocol, checked

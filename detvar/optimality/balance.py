"""What gradient flow conserves: the balance between neighbouring layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import displayed
from detvar.optimality.reading import read_weights
from detvar.optimality.rounding import (
    Enclosed,
    from_float,
    product,
    subtract,
    transpose,
)
from detvar.optimality.words import rounded


@dataclass(frozen=True)
class Conserved:
    """The matrices W_{i+1}ᵀW_{i+1} − W_iW_iᵀ (− b_ib_iᵀ) that gradient flow keeps constant.

    Attributes
    ----------
    matrices : h − 1 symmetric float matrices, d_i × d_i
    errors : proved upper bounds of the Frobenius distance to the exact matrices
    norms : their Frobenius norms; all 0 for balanced layers
    traces : ‖W_{i+1}‖² − ‖W_i‖² (− ‖b_i‖²), the diagonal sums
    bias : whether biases enter
    """

    matrices: tuple[Any, ...]
    errors: tuple[float, ...]
    norms: tuple[float, ...]
    traces: tuple[float, ...]
    bias: bool

    def __str__(self) -> str:
        if not self.matrices:
            return "one layer: nothing is conserved between layers"
        return "conserved by gradient flow, norms: " + ", ".join(
            f"layers {i} and {i + 1}: {n:.6g} (rounding at most {rounded((0.0, e), 1)[1]})"
            for i, (n, e) in enumerate(zip(self.norms, self.errors, strict=True), 1)
        )

    def drift(self, other: Conserved) -> tuple[float, ...]:
        """Return the Frobenius norms of the differences to the matrices of other weights."""
        import numpy as np

        return tuple(
            float(np.linalg.norm(a - b)) for a, b in zip(self.matrices, other.matrices, strict=True)
        )

    def to_latex(self) -> str:
        """Return the norms as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text."""
        return {
            "kind_of_result": "conserved",
            "matrices": [[[float(x).hex() for x in row] for row in a] for a in self.matrices],
            "errors": [x.hex() for x in self.errors],
            "norms": [x.hex() for x in self.norms],
            "traces": [x.hex() for x in self.traces],
            "bias": self.bias,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Conserved:
        """Return what `to_json` wrote, bit for bit."""
        import numpy as np

        if data.get("kind_of_result") != "conserved":
            raise InputError("these are no saved conserved quantities: save some with to_json")

        def numbers(name: str) -> tuple[float, ...]:
            return tuple(float.fromhex(x) for x in data[name])

        layers = [[[float.fromhex(x) for x in row] for row in a] for a in data["matrices"]]
        return cls(
            tuple(np.array(a) for a in layers),
            numbers("errors"),
            numbers("norms"),
            numbers("traces"),
            bool(data["bias"]),
        )


def conserved(weights: Any) -> Conserved:
    """Return W_{i+1}ᵀW_{i+1} − W_iW_iᵀ for i = 1, …, h − 1: constant along gradient flow.

    Along θ′ = −∇L(θ) both terms have the derivative −(W_{i+1}ᵀ∂_{i+1} + ∂_{i+1}ᵀW_{i+1}), because
    W_{i+1}ᵀ ∂L/∂W_{i+1} = (∂L/∂W_i) W_iᵀ for every loss. With biases the output of layer i is
    [W_i b_i](h, 1), so that [W_i b_i] takes the place of W_i in the second term.

    Parameters
    ----------
    weights : arrays, a torch module or a path; all layers trained

    Returns
    -------
    Conserved

    Notes
    -----
    **Validity**: the flow in continuous time, without momentum or weight decay, every layer with
    the same rate. Steps of size η move the matrices by O(η²) each, O(η) in a fixed time; momentum
    and Adam follow other equations and keep nothing of this.
    **Cost**: 2(h − 1) products of layer size.

    References
    ----------
    S. Arora, N. Cohen, E. Hazan (ICML 2018), Theorem 1; S. Du, W. Hu, J. Lee (NeurIPS 2018).

    Examples
    --------
    >>> import numpy as np
    >>> c = conserved([np.array([[1.0, 2.0]]), np.array([[3.0], [0.0]])])
    >>> c.matrices[0].tolist(), c.norms
    ([[4.0]], (4.0,))
    """
    import numpy as np

    read = read_weights(weights)
    found: list[Enclosed] = []
    for i, after in enumerate(read.matrices[1:]):
        before, b = read.matrices[i], read.offsets[i]
        if b is not None:
            before = np.hstack([before, b[:, None]])
        up, down = from_float(after), from_float(before)
        found.append(subtract(product(transpose(up), up), product(down, transpose(down))))
    with np.errstate(all="ignore"):
        norms = tuple(float(np.linalg.norm(a.mid)) for a in found)
        traces = tuple(float(np.trace(a.mid)) for a in found)
    return Conserved(
        tuple(a.mid for a in found), tuple(a.rad for a in found), norms, traces, read.bias
    )


def balancedness(weights: Any) -> list[Any]:
    """Return the float matrices of `conserved`: zero for balanced layers.

    Examples
    --------
    >>> import numpy as np
    >>> balancedness([np.array([[1.0, 2.0]]), np.array([[3.0], [0.0]])])[0].tolist()
    [[4.0]]
    """
    return list(conserved(weights).matrices)

r"""The smallest singular value of the Jacobian of all outputs on all samples, proved.

*Linear networks.*  With L_i = W_h⋯W_{i+1} and R_i = W_{i−1}⋯W_1X the differential of θ ↦ W_h⋯W_1X
is (dW_i) ↦ Σ_i L_i dW_i R_i, in coordinates the row of Kronecker products L_i ⊗ R_iᵀ, so that
JJᵀ = Σ_i L_iL_iᵀ ⊗ R_iᵀR_i and σ_min(J)² ≥ Σ_i σ_min(L_i)²σ_min(R_iᵀ)², where σ_min counts the
rows.  With more samples than inputs the outputs VX of linear maps V are not all matrices; then J
is taken onto these, which by V ↦ VX costs the factor σ_min(X).

*Entrywise activations.*  Every layer is enclosed with one radius for each entry, products by the
bounds of `detvar.optimality.rounding`, activations by FLINT's balls; the chain rule encloses J.

*Singular values.*  A = UΣVᵀ + R with floats U, Σ, V; σ_k(UΣVᵀ) lies between σ_k(U)Σ_kσ_k(V) and
‖U‖Σ_k‖V‖, and R moves it by at most ‖R‖ (Weyl).  σ(U)² differs from 1 by at most ‖UᵀU − I‖.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import arb, exact_float, working_precision
from detvar.exact.enclosures import sech_squared, softplus
from detvar.exact.latex import displayed
from detvar.optimality.rounding import (
    ETA,
    Array,
    Enclosed,
    Interval,
    U,
    from_float,
    gamma,
    minus_identity,
    norm,
    product,
    scale_columns,
    subtract,
    transpose,
    up,
)
from detvar.optimality.words import membership

if TYPE_CHECKING:
    from detvar.optimality.reading import FloatWeights

# A Jacobian of more rows or entries is not written out.
MOST_ROWS, MOST_ENTRIES = 2000, 10_000_000
_BITS = 80


@dataclass(frozen=True)
class JacobianBound:
    """Proved intervals for σ_min (counting all rows) and σ_max of a Jacobian, and its shape.

    `samples` is False where J is taken onto the outputs of linear maps, not onto all outputs.
    """

    smallest: Interval
    largest: Interval
    outputs: int
    parameters: int
    samples: bool = True

    def to_latex(self) -> str:
        """Return both intervals as math."""
        ends = (r"\sigma_{\min}(J)", self.smallest), (r"\sigma_{\max}(J)", self.largest)
        return r",\quad ".join(membership(name, x) for name, x in ends)

    _repr_latex_ = displayed


class Balls(NamedTuple):
    """Arrays known entry by entry: |a − mid| ≤ rad."""

    mid: Array
    rad: Array


def singular_values(a: Enclosed) -> tuple[Interval, Interval]:
    """Enclose the last of the min(m, n) singular values of a matrix, and the first.

    Notes
    -----
    **Cost**: one SVD and four products. **Validity**: proved for every matrix in the enclosure;
    sharp to about 10⁻¹³ of the first singular value.

    Examples
    --------
    >>> import numpy as np
    >>> (low, high), _ = singular_values(from_float(np.array([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]])))
    >>> low <= 2 <= high and high - low < 1e-12
    True
    """
    import numpy as np

    nothing = (0.0, math.inf)
    if 0 in a.mid.shape or not math.isfinite(a.rad):
        return nothing, nothing
    try:
        u, s, vt = np.linalg.svd(a.mid, full_matrices=False)
    except np.linalg.LinAlgError:
        return nothing, nothing
    left, right = from_float(u), from_float(vt)
    rest = subtract(product(scale_columns(left, s), right), a)
    bent = up(
        minus_identity(product(transpose(left), left)).size
        + minus_identity(product(right, transpose(right))).size
    )
    if not bent < 0.5:
        return nothing, nothing

    def around(x: float) -> Interval:
        low = x * (1 - bent) * (1 - 8 * U) - rest.size
        return (max(0.0, math.nextafter(low, -math.inf)), up(up(x * (1 + 2 * bent)) + rest.size))

    return around(float(s[-1])), around(float(s[0]))


def linear_jacobian(weights: Any, x: Any) -> JacobianBound:
    """Bound the singular values of ∂(outputs)/∂θ of a linear or affine network on samples x.

    Parameters
    ----------
    weights : FloatWeights, or anything that `read_weights` reads
    x : samples × inputs, float64; biases are taken on (x, 1)

    Notes
    -----
    **Cost**: an SVD of each L_i and R_i, and of J up to 2000 rows and 10⁷ entries.
    **Validity**: proved. Beyond that size the bound is the sum over layers: often far below σ_min,
    and 0 where no single layer makes J surjective.

    Examples
    --------
    >>> from detvar.optimality.reading import read_weights
    >>> weights = read_weights([[[1.0, 0.0], [0.0, 2.0]], [[3.0, 4.0]]])
    >>> found = linear_jacobian(weights, [[1.0, 0.0]])
    >>> found.outputs, found.parameters, found.smallest[0] <= 26**0.5 <= found.smallest[1]
    (1, 6, True)
    """
    import numpy as np

    from detvar.optimality.arrays import float_array
    from detvar.optimality.reading import read_weights

    weights, (rows, _) = read_weights(weights), float_array(x, "x")
    if rows.ndim != 2 or rows.shape[1] != weights.widths[0] or not len(rows):
        raise ShapeError(
            f"x has shape {rows.shape}: give samples × {weights.widths[0]} inputs, at least one"
        )
    inputs = np.hstack([rows, np.ones((len(rows), 1))]) if weights.bias else rows
    data = from_float(inputs.T)
    by_samples = len(rows) <= inputs.shape[1]
    start = data if by_samples else from_float(np.eye(inputs.shape[1]))
    pairs = _pairs(weights, start)
    outputs = pairs[0][0].mid.shape[0] * start.mid.shape[1]
    parameters = sum(a.mid.shape[1] * b.mid.shape[0] for a, b in pairs)
    if outputs > parameters:
        return JacobianBound((0.0, 0.0), (0.0, math.inf), outputs, parameters, by_samples)
    if outputs <= MOST_ROWS and outputs * parameters <= MOST_ENTRIES:
        small, large = singular_values(_beside([_kronecker(a, transpose(b)) for a, b in pairs]))
    else:
        small, large = _by_layers(pairs)
    if not by_samples:
        last, first = singular_values(data)
        small = (max(0.0, small[0] * last[0] * (1 - 4 * U) - ETA), up(small[1] * first[1]))
        large = (max(0.0, large[0] * last[0] * (1 - 4 * U) - ETA), up(large[1] * first[1]))
    return JacobianBound(small, large, outputs, parameters, by_samples)


def _pairs(weights: FloatWeights, start: Enclosed) -> list[tuple[Enclosed, Enclosed]]:
    """Return the (L_i, R_i); R_i has a row of ones exactly where layer i has a bias."""
    import numpy as np

    below = [start]
    for w in weights.arrays[:-1]:
        below.append(product(from_float(w), below[-1]))
    above = [from_float(np.eye(weights.widths[-1]))]
    for w in weights.matrices[:0:-1]:
        above.insert(0, product(above[0], from_float(w)))
    cut = [
        Enclosed(b.mid[:-1], b.rad) if weights.bias and c is None else b
        for b, c in zip(below, weights.offsets, strict=True)
    ]
    return list(zip(above, cut, strict=True))


def _by_layers(pairs: Sequence[tuple[Enclosed, Enclosed]]) -> tuple[Interval, Interval]:
    """σ_min(J)² ≥ Σ σ_min(L_i)²σ_min(R_iᵀ)², and σ_max(J)² ≤ Σ ‖L_i‖²‖R_i‖²."""
    low, high = 0.0, 0.0
    for a, b in pairs:
        (a_low, _), (_, a_high) = singular_values(a)
        (b_low, _), (_, b_high) = singular_values(b)
        if a.mid.shape[0] <= a.mid.shape[1] and b.mid.shape[1] <= b.mid.shape[0]:
            low = math.hypot(low, a_low * b_low) * (1 - 16 * U)
        high = up(math.hypot(high, up(a_high * b_high)))
    return (max(0.0, low - ETA), high), (max(0.0, low - ETA), high)


def _kronecker(a: Enclosed, b: Enclosed) -> Enclosed:
    """Enclose A ⊗ B."""
    import numpy as np

    with np.errstate(all="ignore"):
        mid: Any = np.kron(a.mid, b.mid)
        rad = up(a.size * b.rad if b.rad else 0.0) + up(a.rad * b.size if a.rad else 0.0)
        rad += 2 * U * norm(a.mid) * norm(b.mid) + ETA * math.sqrt(mid.size)
    return _finite(mid, rad)


def _beside(blocks: Sequence[Enclosed]) -> Enclosed:
    """Enclose (A_1 ⋯ A_h)."""
    import numpy as np

    return _finite(np.hstack([b.mid for b in blocks]), math.hypot(*(b.rad for b in blocks)))


def _finite(mid: Array, rad: float) -> Enclosed:
    import numpy as np

    known = bool(np.isfinite(mid).all()) and math.isfinite(rad)
    return Enclosed(mid, up(rad)) if known else Enclosed(np.nan_to_num(mid), math.inf)


# --- entrywise activations ------------------------------------------------------------------------

Rule = Callable[[arb], tuple[arb, arb] | None]


def layers_jacobian(layers: Sequence[tuple[str, Any]], x: Any) -> Enclosed:
    """Enclose ∂F/∂θ of layers on samples: samples · outputs × parameters.

    Parameters
    ----------
    layers : (name, layer) in forward order; a layer is a `LinearLayer` or an `Activation`
    x : samples × inputs, float64

    Raises
    ------
    InputError
        If a unit may be at a kink of its activation on a sample.

    Notes
    -----
    **Cost**: the arrays of the chain rule, and two balls for each unit, layer and sample.
    **Validity**: the layers as functions of real numbers at the given weights, not their rounded
    evaluation.
    """
    import numpy as np

    z = Balls(np.asarray(x, dtype=np.float64), np.zeros(np.shape(x)))
    seen: list[Balls] = []
    for name, layer in layers:
        if isinstance(layer, LinearLayer):
            seen.append(z)
            z = _plus(_times(z, _exact(layer.weight.T)), layer.bias)
        else:
            z, slope = _entrywise(z, layer, name)
            seen.append(slope)
    samples, outputs = z.mid.shape
    delta = _exact(np.broadcast_to(np.eye(outputs), (samples, outputs, outputs)))
    blocks: dict[object, Balls] = {}
    for (_, layer), kept in zip(reversed(layers), reversed(seen), strict=True):
        if not isinstance(layer, LinearLayer):
            delta = _entries(delta, Balls(kept.mid[:, None, :], kept.rad[:, None, :]))
            continue
        if layer.keys[0] is not None:
            column = Balls(delta.mid[..., None], delta.rad[..., None])
            row = Balls(kept.mid[:, None, None, :], kept.rad[:, None, None, :])
            _collect(blocks, layer.keys[0], _entries(column, row))
        if layer.keys[1] is not None:
            _collect(blocks, layer.keys[1], delta)
        delta = _times(delta, _exact(layer.weight))
    rows = samples * outputs
    if not blocks:
        return from_float(np.zeros((rows, 0)))
    mid = np.hstack([b.mid.reshape(rows, -1) for b in blocks.values()])
    return _finite(mid, norm(np.hstack([b.rad.reshape(rows, -1) for b in blocks.values()])))


class LinearLayer(NamedTuple):
    """z ↦ Wz + b; the keys tell which parameters W and b are, None where they are not trained."""

    weight: Array
    bias: Array | None
    keys: tuple[object, object]


class Activation(NamedTuple):
    """An entrywise function: `rule` encloses (φ, φ′) on a ball, None where φ′ may not exist."""

    kind: str
    rule: Rule


def _exact(a: Array) -> Balls:
    import numpy as np

    return Balls(a, np.zeros_like(a))


def _times(a: Balls, b: Balls) -> Balls:
    """Enclose AB: |A|rad_B + rad_A(|B| + rad_B) + γ_k|A||B|, entry by entry."""
    import numpy as np

    k = a.mid.shape[-1]
    with np.errstate(all="ignore"):
        size = np.abs(a.mid)
        rad = size @ b.rad + a.rad @ (np.abs(b.mid) + b.rad) + gamma(k) * (size @ np.abs(b.mid))
        return Balls(a.mid @ b.mid, rad * (1 + 4 * gamma(k)) + (k + 4) * ETA)


def _entries(a: Balls, b: Balls) -> Balls:
    """Enclose the products of entries."""
    import numpy as np

    with np.errstate(all="ignore"):
        mid = a.mid * b.mid
        rad = np.abs(a.mid) * b.rad + a.rad * (np.abs(b.mid) + b.rad) + U * np.abs(mid)
        return Balls(mid, rad * (1 + 16 * U) + 4 * ETA)


def _plus(a: Balls, b: Array | Balls | None) -> Balls:
    import numpy as np

    if b is None:
        return a
    other = b if isinstance(b, Balls) else Balls(b, np.zeros_like(b))
    with np.errstate(all="ignore"):
        mid = a.mid + other.mid
        return Balls(mid, (a.rad + other.rad + U * np.abs(mid)) * (1 + 16 * U) + ETA)


def _collect(blocks: dict[object, Balls], key: object, block: Balls) -> None:
    """Add a block to the columns of its parameter: a shared one stands in several layers."""
    flat = Balls(*(part.reshape(*part.shape[:2], -1) for part in block))
    blocks[key] = _plus(blocks[key], flat) if key in blocks else flat


def _entrywise(z: Balls, layer: Activation, name: str) -> tuple[Balls, Balls]:
    import numpy as np

    if not (np.isfinite(z.mid).all() and np.isfinite(z.rad).all()):
        raise InputError(f"the numbers before {name} ({layer.kind}) overflow: give smaller weights")
    out = np.empty((4, *z.mid.shape))
    with working_precision(_BITS):
        for at in np.ndindex(z.mid.shape):
            found = layer.rule(arb(float(z.mid[at]), float(z.rad[at])))
            if found is None:
                raise InputError(
                    f"unit {at[1]} of {name} ({layer.kind}) is at its kink on sample {at[0]}, or "
                    "too close to tell, and there is no derivative there: move the weights or "
                    "leave the sample out"
                )
            out[(slice(None), *at)] = [*_float(found[0]), *_float(found[1])]
    return Balls(out[0], out[1]), Balls(out[2], out[3])


def _float(x: arb) -> tuple[float, float]:
    """Return a float and its largest distance from a ball."""
    mid = float(x.mid())
    return mid, up(float((x - arb(mid)).abs_upper()))


def _sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp())


def _by_sign(above: Callable[[arb], tuple[arb, arb]], below: Callable[[arb], Any]) -> Rule:
    """Return the rule of a function with a kink at 0."""

    def rule(x: arb) -> tuple[arb, arb] | None:
        return above(x) if x > 0 else below(x) if x < 0 else None

    return rule


def _linear(slope: float) -> Callable[[arb], tuple[arb, arb]]:
    c = arb(exact_float(slope))
    return lambda x: (c * x, c)


def _elu(alpha: float) -> Rule:
    a = arb(exact_float(alpha))
    bent = _by_sign(_linear(1.0), lambda x: (a * x.expm1(), a * x.exp()))
    if alpha != 1:
        return bent
    # φ(z) = z or eᶻ − 1 is once differentiable; both parts enclose it around 0
    return lambda x: bent(x) or (x.union(x.expm1()), arb(1).union(x.exp()))


def _softplus(beta: float, threshold: float) -> Rule:
    b, most = arb(exact_float(beta)), arb(exact_float(threshold))

    def rule(x: arb) -> tuple[arb, arb] | None:
        y = b * x
        if y > most:  # torch computes z itself from there on
            return x, arb(1)
        return (softplus(y) / b, _sigmoid(y)) if y < most else None

    return rule


def _gelu(x: arb) -> tuple[arb, arb]:
    phi = (1 + (x / arb(2).sqrt()).erf()) / 2
    return x * phi, phi + x * (-x * x / 2).exp() / (2 * arb.pi()).sqrt()


def _silu(x: arb) -> tuple[arb, arb]:
    s = _sigmoid(x)
    return x * s, s * (1 + x * (1 - s))


def _logistic(x: arb) -> tuple[arb, arb]:
    s = _sigmoid(x)
    return s, s * (1 - s)


def activation(part: Any) -> Activation | None:
    """Return the enclosure of a torch activation, or None for a module that is not known here."""
    kind = type(part).__name__
    rules: dict[str, Callable[[], Rule | None]] = {
        "Tanh": lambda: lambda x: (x.tanh(), sech_squared(x)),
        "Sigmoid": lambda: _logistic,
        "Softplus": lambda: _softplus(float(part.beta), float(part.threshold)),
        "ReLU": lambda: _by_sign(_linear(1.0), _linear(0.0)),
        "LeakyReLU": lambda: _by_sign(_linear(1.0), _linear(float(part.negative_slope))),
        "ELU": lambda: _elu(float(part.alpha)),
        "SiLU": lambda: _silu,
        "GELU": lambda: _gelu if part.approximate == "none" else None,
    }
    if not type(part).__module__.startswith("torch.nn.") or kind not in rules:
        return None
    rule = rules[kind]()
    return None if rule is None else Activation(kind, rule)


def module_layers(parts: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]] | None:
    """Return the layers of torch modules in forward order, None if one is not known here."""
    from torch import nn

    from detvar.optimality.arrays import float_array

    out: list[tuple[str, Any]] = []
    for name, part in parts:
        found: Any = activation(part)
        if type(part) is nn.Linear:
            weight, _ = float_array(part.weight, f"{name}.weight")
            bias = None if part.bias is None else float_array(part.bias, f"{name}.bias")[0]
            keys = tuple(
                id(p) if p is not None and p.requires_grad else None
                for p in (part.weight, part.bias)
            )
            found = LinearLayer(weight, bias, (keys[0], keys[1]))
        if found is None:
            return None
        out.append((name, found))
    return out

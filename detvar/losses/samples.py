"""Losses that are sums over samples, ℓ(W) = Σ_s f_s(W x_s): their three kinds of values.

A loss gives the terms f_s, f_s′, f_s″ as functions of one vector z of outputs, written with the
functions of a `detvar.losses.kits.Kit`; the chain rule for z = W x_s is the same for all.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from detvar.errors import ShapeError
from detvar.exact.balls import arb, arb_mat, exact_float
from detvar.exact.latex import displayed
from detvar.exact.matrices import (
    Matrix,
    column_space,
    identity,
    inverse,
    matrix,
    require_exact,
    shape,
    to_sympy,
    to_text_rows,
)
from detvar.losses import formulas_latex
from detvar.losses.analytic import Convexity, NoExactValues
from detvar.losses.kits import BALLS, Kit, arrays, symbols
from detvar.losses.reduction import Reduction, reduction, require_network

Second = dict[tuple[int, int], Any]


def exact_field(rows: Any, name: str) -> Matrix:
    """Return a field of a loss as an exact matrix, or raise by its name."""
    require_exact(rows, name)
    return matrix(rows, name)


def require_samples(x: Matrix, table: Matrix, name: str) -> None:
    """Raise `ShapeError` unless X and the table have one column for each sample."""
    if x.ncols() != table.ncols():
        raise ShapeError(
            f"X has {x.ncols()} columns and {name} has {table.ncols()}: "
            "give one column per sample in both"
        )


class OnSamples(NoExactValues):
    """The members that all losses Σ_s f_s(W x_s) share.

    A loss adds its field X (n×S), `outputs`, `_tables`, `_with_inputs` and the three functions
    `_value`, `_first`, `_second` of one sample, in which `z` is the list of the m outputs and
    `data` lists, for every table, its column: numbers, or in NumPy arrays over all samples.
    """

    X: Matrix
    _why_convex: ClassVar[str]

    # --- what a loss gives ------------------------------------------------------------------

    @property
    def outputs(self) -> int:
        """m, the number of rows of W."""
        raise NotImplementedError

    @property
    def _tables(self) -> tuple[Matrix, ...]:
        """The data of the terms, each with one column per sample."""
        raise NotImplementedError

    def _with_inputs(self, x: Matrix) -> Any:
        """Return the same loss for other inputs."""
        raise NotImplementedError

    def _value(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Any:
        """Return f(z)."""
        raise NotImplementedError

    def _first(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> list[Any]:
        """Return ∂f/∂z_i."""
        raise NotImplementedError

    def _second(self, kit: Kit, z: list[Any], data: list[list[Any]]) -> Second:
        """Return ∂²f/∂z_i∂z_k for i ≤ k where it is not zero."""
        raise NotImplementedError

    # --- shapes and facts -------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n) = (outputs, inputs)."""
        return self.outputs, self.X.nrows()

    def is_convex(self) -> bool:
        """True."""
        return True

    def convexity(self) -> Convexity:
        """Return that the loss is convex, and why."""
        return Convexity(True, self._why_convex)

    def reduce(self, network: Any) -> Reduction:
        """Return the effective problem: X replaced by its coordinates in a basis of Col X."""
        require_network(network, self.shape)
        m, n = self.shape
        basis, x = input_coordinates(self.X)
        if basis.ncols() == n:
            return reduction(network, identity(m), identity(n), self)
        small = self._with_inputs(x) if basis.ncols() else None
        return reduction(network, identity(m), basis, small)

    def whitened(self) -> tuple[Any, Matrix]:
        """Return ℓ′ and an invertible T with ℓ(W) = ℓ′(W T⁻¹), where the inputs TX of ℓ′ have
        (TX)(TX)ᵀ ≈ I: enclosures are sharper there. T is a rounded (XXᵀ)^(−1/2).
        """
        import numpy as np

        x = self._arrays[0]
        values, vectors = np.linalg.eigh(x @ x.T)
        unit = identity(x.shape[0])
        if not 0 < 2 * values[-1] < 1e12 * values[0] or values[-1] < 1.5 * values[0]:
            return self, unit
        t = (vectors / np.sqrt(values)) @ vectors.T
        step = 2.0 ** (np.floor(np.log2(np.abs(t).max())) - 20)
        exact = [[exact_float(float(v)) for v in row] for row in np.round(t / step) * step]
        out = matrix(exact)
        return (self._with_inputs(out * self.X), out) if out.det() else (self, unit)

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        return formulas_latex.on_samples(self, self._name)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the object of a problem file."""
        return {"type": self._name, "X": to_text_rows(self.X)}

    # --- balls ------------------------------------------------------------------------------

    @cached_property
    def _ball_data(self) -> dict[int, tuple[arb_mat, arb_mat, list[list[list[arb]]]]]:
        return {}

    def _balls(self) -> tuple[arb_mat, arb_mat, list[list[list[arb]]]]:
        """Return X, Xᵀ and for each sample the columns of the tables, at the precision in use."""
        from detvar.exact.balls import bits_in_use

        known = self._ball_data
        bits = bits_in_use()
        if bits not in known:
            columns = [
                [[arb(c) for c in column] for column in t.transpose().tolist()]
                for t in self._tables
            ]
            x = arb_mat(self.X)
            known[bits] = x, x.transpose(), [list(c) for c in zip(*columns, strict=True)]
        return known[bits]

    def value_ball(self, w: arb_mat) -> arb:
        """Return a ball that contains ℓ(W) for every W in w."""
        x, _, data = self._balls()
        z = (w * x).transpose().tolist()
        return sum((self._value(BALLS, s, d) for s, d in zip(z, data, strict=True)), arb(0))

    def gradient_ball(self, w: arb_mat) -> arb_mat:
        """Return balls with Σ_s f_s′(W x_s) x_sᵀ, m×n, for every W in w."""
        x, xt, data = self._balls()
        z = (w * x).transpose().tolist()
        first = [self._first(BALLS, s, d) for s, d in zip(z, data, strict=True)]
        return arb_mat(first).transpose() * xt

    def hessian_ball(self, w: arb_mat) -> arb_mat:
        """Return balls with Σ_s f_s″(W x_s) ⊗ x_s x_sᵀ, mn×mn, for every W in w."""
        x, xt, data = self._balls()
        m, n = self.shape
        z = (w * x).transpose().tolist()
        second = [self._second(BALLS, s, d) for s, d in zip(z, data, strict=True)]
        table = x.tolist()
        out = [[arb(0)] * (m * n) for _ in range(m * n)]
        for i, k in second[0]:
            weighted = [
                [c * here[i, k] for c, here in zip(row, second, strict=True)] for row in table
            ]
            block = (arb_mat(weighted) * xt).tolist()
            for a in range(n):
                for b in range(n):
                    # the block of (k, i) is the transpose of that of (i, k), which is symmetric
                    out[i * n + a][k * n + b] = out[k * n + b][i * n + a] = block[a][b]
        return arb_mat(out)

    # --- arrays -----------------------------------------------------------------------------

    @cached_property
    def _arrays(self) -> tuple[Any, list[list[Any]]]:
        """X, and the rows of every table, as float64 arrays."""
        import numpy as np

        def floats(a: Matrix) -> Any:
            return np.array([[float(c.p) / float(c.q) for c in row] for row in a.tolist()])

        return floats(self.X), [list(floats(t)) for t in self._tables]

    def _outputs_array(self, w: Any) -> list[Any]:
        import numpy as np

        z = np.asarray(w, dtype=np.float64) @ self._arrays[0]
        return [z[..., i, :] for i in range(self.outputs)]

    def value_array(self, w: Any) -> Any:
        """Return ℓ in float64 for an array of shape (…, m, n)."""
        return self._value(arrays(), self._outputs_array(w), self._arrays[1]).sum(axis=-1)

    def gradient_array(self, w: Any) -> Any:
        """Return ∇ℓ in float64, of shape (…, m, n)."""
        import numpy as np

        first = self._first(arrays(), self._outputs_array(w), self._arrays[1])
        return np.stack(first, axis=-2) @ self._arrays[0].T

    def hessian_array(self, w: Any) -> Any:
        """Return ∇²ℓ in float64, of shape (…, mn, mn)."""
        import numpy as np

        m, n = self.shape
        z, x = self._outputs_array(w), self._arrays[0]
        out = np.zeros((*z[0].shape[:-1], m, n, m, n))
        for (i, k), c in self._second(arrays(), z, self._arrays[1]).items():
            block = (x * c[..., None, :]) @ x.T
            out[..., i, :, k, :] = out[..., k, :, i, :] = block
        return out.reshape(*out.shape[:-4], m * n, m * n)

    # --- symbols ----------------------------------------------------------------------------

    def _symbols(self, w: Any) -> list[tuple[list[Any], list[list[Any]]]]:
        """Return, for every sample, its outputs and its data."""
        z = w * to_sympy(self.X)
        tables = [to_sympy(t) for t in self._tables]
        return [(list(z.col(s)), [list(t.col(s)) for t in tables]) for s in range(z.cols)]

    def symbolic(self, w: Any) -> Any:
        """Return ℓ(W) as a SymPy expression, for an m×n SymPy matrix W."""
        import sympy

        return sympy.Add(*(self._value(symbols(), z, data) for z, data in self._symbols(w)))

    def symbolic_gradient(self, w: Any) -> Any:
        """Return ∇ℓ(W) as an m×n SymPy matrix."""
        import sympy

        columns = [self._first(symbols(), z, data) for z, data in self._symbols(w)]
        return sympy.Matrix(columns).T * to_sympy(self.X).T


def input_coordinates(x: Matrix) -> tuple[Matrix, Matrix]:
    """Return a basis B of Col X and the coordinates X′ of the samples in it, X = B X′."""
    basis = column_space(x)
    if basis.ncols() == 0:
        return basis, basis.transpose() * x
    gram = basis.transpose() * basis
    return basis, inverse(gram) * (basis.transpose() * x)


def input_rows(x: Matrix, rows: int) -> list[list[list[Any]]]:
    """Return, for each sample s and output i, the linear form W ↦ (WX)_is as a row of length mn."""
    _, n = rows, x.nrows()
    zero = x[0, 0] * 0
    out = []
    for s in range(x.ncols()):
        column = [x[j, s] for j in range(n)]
        out.append([[zero] * (i * n) + column + [zero] * ((rows - 1 - i) * n) for i in range(rows)])
    return out


__all__ = ["OnSamples", "Second", "exact_field", "input_coordinates", "input_rows", "shape"]

r"""Step sizes of stochastic gradient methods: x⁺ = x − γ_k ∇fᵢ(x), as rules on plain numbers.

A rule sees fᵢ(x), fᵢ* (or a lower bound) and ‖∇fᵢ(x)‖², and answers with γ_k.  Rules with memory
get their state handed in and hand the new one back, so that one rule can follow many paths at
once: every number may be an array, one entry for each path.

References: N. Loizou, S. Vaswani, I. Laradji, S. Lacoste-Julien, 2021 (SPSmax); A. Orvieto,
S. Lacoste-Julien, N. Loizou, 2022 (DecSPS); A. Orvieto, L. Xiao, 2024 (NGN); R. Islamov,
N. Ajroldi, A. Orvieto, A. Lucchi, 2024 (all of them under the α-β-condition).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from detvar.errors import InputError
from detvar.exact.latex import displayed
from detvar.landscape.finite_sum import FiniteSum

Array = Any  # numpy.ndarray of float64: NumPy is not imported with the module
State: TypeAlias = tuple[Any, ...]


class Rule(Protocol):
    """A step-size rule."""

    def start(self) -> State:
        """Return the state before the first step."""
        ...

    def step(self, state: State, k: int, excess: Any, value: Any, square: Any) -> tuple[Any, State]:
        """Return γ_k and the next state.

        Parameters
        ----------
        state : what `start` or the last `step` returned
        k : the number of steps taken before, from 0
        excess : fᵢ(x) − fᵢ*
        value : fᵢ(x)
        square : ‖∇fᵢ(x)‖²
        """
        ...


def _positive(**numbers: float) -> None:
    for name, x in numbers.items():
        if not 0 < x < float("inf"):
            raise InputError(f"{name} is {x}: give a finite number > 0")


def _ratio(numerator: Any, square: Any) -> Any:
    """numerator/‖∇fᵢ‖², and ∞ where the gradient is 0: the step then makes no difference."""
    import numpy as np

    numerator, square = np.maximum(numerator, 0.0), np.asarray(square, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(square > 0, numerator / square, np.inf)


@dataclass(frozen=True)
class SGD:
    """Constant steps γ, or decreasing ones γ/√(k + 1).

    Examples
    --------
    >>> float(SGD(0.5, decreasing=True).step((), 3, 1.0, 1.0, 1.0)[0])
    0.25
    """

    gamma: float
    decreasing: bool = False

    def __post_init__(self) -> None:
        _positive(gamma=self.gamma)

    def start(self) -> State:
        """Return the empty state."""
        return ()

    def step(self, state: State, k: int, excess: Any, value: Any, square: Any) -> tuple[Any, State]:
        """Return γ or γ/√(k + 1)."""
        import numpy as np

        gamma = self.gamma / (k + 1) ** 0.5 if self.decreasing else self.gamma
        return gamma + np.zeros_like(np.asarray(square, dtype=np.float64)), state


@dataclass(frozen=True)
class SPSmax:
    """The Polyak step with a ceiling: γ_k = min{(fᵢ − fᵢ*)/(c‖∇fᵢ‖²), γ_b}.

    Examples
    --------
    >>> float(SPSmax(c=0.5, gamma_b=10).step((), 0, 0.5, 0.5, 0.25)[0])
    4.0
    """

    c: float
    gamma_b: float

    def __post_init__(self) -> None:
        _positive(c=self.c, gamma_b=self.gamma_b)

    def start(self) -> State:
        """Return the empty state."""
        return ()

    def step(self, state: State, k: int, excess: Any, value: Any, square: Any) -> tuple[Any, State]:
        """Return the Polyak step, at most γ_b; γ_b where the gradient is 0."""
        import numpy as np

        return np.minimum(_ratio(excess, square) / self.c, self.gamma_b), state


@dataclass(frozen=True)
class DecSPS:
    """Decreasing Polyak steps: γ_k = (1/c_k) min{(fᵢ − fᵢ*)/‖∇fᵢ‖², c_{k−1}γ_{k−1}}.

    Here c_k = c₀√(k + 1), c_{−1} = c₀ and γ_{−1} = γ_b; the state is c_{k−1}γ_{k−1}.

    Examples
    --------
    >>> rule = DecSPS(c0=1, gamma_b=1)
    >>> rule.step(rule.start(), 0, 0.1, 0.1, 1.0)[0].tolist()
    0.1
    """

    c0: float
    gamma_b: float

    def __post_init__(self) -> None:
        _positive(c0=self.c0, gamma_b=self.gamma_b)

    def c(self, k: int) -> float:
        """Return c_k."""
        return float(self.c0 * (k + 1) ** 0.5)

    def start(self) -> State:
        """Return (c_{−1}γ_{−1},)."""
        return (self.c0 * self.gamma_b,)

    def step(self, state: State, k: int, excess: Any, value: Any, square: Any) -> tuple[Any, State]:
        """Return γ_k and (c_kγ_k,)."""
        import numpy as np

        reach = np.minimum(_ratio(excess, square), state[0])
        return reach / self.c(k), (reach,)


@dataclass(frozen=True)
class NGN:
    """The step of a Gauss–Newton model of √fᵢ, for fᵢ ≥ 0: γ_k = γ̃/(1 + γ̃‖∇fᵢ‖²/(2fᵢ)).

    γ̃ = γ, or γ/√(k + 1) when decreasing.

    Examples
    --------
    >>> float(NGN(1.0).step((), 0, 0.5, 0.5, 0.25)[0])
    0.8
    """

    gamma: float
    decreasing: bool = False

    def __post_init__(self) -> None:
        _positive(gamma=self.gamma)

    def start(self) -> State:
        """Return the empty state."""
        return ()

    def step(self, state: State, k: int, excess: Any, value: Any, square: Any) -> tuple[Any, State]:
        """Return γ_k, which is γ̃ where the gradient is 0.

        Raises
        ------
        InputError
            For a negative fᵢ.
        """
        import numpy as np

        if np.any(np.asarray(value) < 0):
            raise InputError("NGN needs f_i ≥ 0: add a constant to the loss")
        gamma = self.gamma / (k + 1) ** 0.5 if self.decreasing else self.gamma
        square = np.asarray(square, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            bend = np.where(square > 0, square / (2 * np.asarray(value)), 0.0)
        return gamma / (1 + gamma * bend), state


@dataclass(frozen=True)
class AdaGradNormMax:
    """AdaGrad by norms and a running maximum c_k² = max{c_{k−1}², ‖∇fᵢ‖²}, b_k² = b_{k−1}² + c_k².

    The step is γ/b_k; the state is (c_{k−1}², b_{k−1}²), with c_{−1} = 0.

    Examples
    --------
    >>> rule = AdaGradNormMax(gamma=1, b=2)
    >>> round(float(rule.step(rule.start(), 0, 0.5, 0.5, 0.25)[0]), 10)
    0.4850712501
    """

    gamma: float
    b: float

    def __post_init__(self) -> None:
        _positive(gamma=self.gamma, b=self.b)

    def start(self) -> State:
        """Return (0, b²)."""
        return (0.0, self.b**2)

    def step(self, state: State, k: int, excess: Any, value: Any, square: Any) -> tuple[Any, State]:
        """Return γ/b_k and (c_k², b_k²)."""
        import numpy as np

        largest = np.maximum(state[0], square)
        total = state[1] + largest
        return self.gamma / np.sqrt(total), (largest, total)


@dataclass(frozen=True, eq=False)
class Path:
    """A run of a stochastic gradient method.

    Attributes
    ----------
    points : array (K + 1, d)
    steps : array (K,)
        γ_0, …, γ_{K−1}.
    indices : array (K,)
        The terms that were drawn.
    """

    points: Array
    steps: Array
    indices: Array

    def to_latex(self) -> str:
        """Return the number of steps and the two ends as math."""

        def point(x: Array) -> str:
            return r",\,".join(f"{t:.6g}" for t in x)

        first, last = point(self.points[0]), point(self.points[-1])
        return rf"x_0=({first}),\quad x_{{{len(self.steps)}}}=({last})"

    _repr_latex_ = displayed


def run(problem: FiniteSum, rule: Rule, x0: Any, indices: Sequence[int] | Array) -> Path:
    """Follow x_{k+1} = x_k − γ_k ∇f_{i_k}(x_k) along given terms.

    Parameters
    ----------
    problem : FiniteSum
    rule : SGD, SPSmax, DecSPS, NGN or AdaGradNormMax
    x0 : array (d,)
    indices : i_0, …, i_{K−1}, from 0

    Raises
    ------
    ShapeError
        If x0 has another dimension.
    InputError
        For an index that is no term.

    Notes
    -----
    **Cost**: K evaluations of all terms.  Floating point.

    Examples
    --------
    >>> from detvar.landscape.finite_sum import FiniteSum
    >>> import numpy as np
    >>> f = FiniteSum("x²/2", 1, 1, lambda x: x**2 / 2, lambda x: x[..., None], np.zeros(1))
    >>> run(f, SGD(0.5), [1.0], [0, 0]).points.ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    import numpy as np

    chosen = np.asarray(indices, dtype=np.int64)
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < problem.count):
        raise InputError(f"indices must be terms from 0 to {problem.count - 1}")
    x = np.array(x0, dtype=np.float64)
    points, steps, state = [x], [], rule.start()
    for k, i in enumerate(chosen):
        value, gradient = problem.values(x)[i], problem.gradients(x)[i]
        square = float(gradient @ gradient)
        gamma, state = rule.step(state, k, value - problem.lower[i], value, square)
        x = x - float(gamma) * gradient
        points.append(x)
        steps.append(float(gamma))
    return Path(np.array(points), np.array(steps), chosen)


def exact_expectation(problem: FiniteSum, rule: Rule, x0: Any, steps: int) -> Array:
    """Return E[f(x_k)] − f* for k = 0, …, K, over all nᴷ equally likely sequences of terms.

    Parameters
    ----------
    problem, rule, x0 : as in `run`
    steps : K, with nᴷ ≤ 2²²

    Returns
    -------
    array (K + 1,)

    Raises
    ------
    InputError
        If there are too many sequences.

    Notes
    -----
    **Cost**: nᴷ evaluations of all terms, nᴷ·n·d numbers in memory.  **Validity**: no sampling;
    only floating-point rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.landscape.finite_sum import FiniteSum
    >>> b = np.array([-1.0, 1.0])
    >>> f = FiniteSum(
    ...     "two parabolas",
    ...     1,
    ...     2,
    ...     lambda x: (x - b) ** 2 / 2,
    ...     lambda x: (x - b)[..., None],
    ...     np.zeros(2),
    ...     minimum=0.5,
    ... )
    >>> exact_expectation(f, SGD(0.25), [3.0], 3).tolist()
    [4.5, 2.5625, 1.47265625, 0.859619140625]
    """
    import numpy as np

    n = problem.count
    if steps < 0 or n**steps > 2**22:
        raise InputError(
            f"{n}^{steps} sequences are not enumerated: give at most {int(22 / np.log2(max(n, 2)))}"
            " steps"
        )
    x = np.array(x0, dtype=np.float64)[None]
    state: State = rule.start()
    means = [problem.f(x).mean()]
    for k in range(steps):
        values, gradients = problem.values(x), problem.gradients(x)
        squares = np.einsum("pid,pid->pi", gradients, gradients)
        wide = tuple(np.asarray(s)[..., None] for s in state)
        gamma, after = rule.step(wide, k, values - problem.lower, values, squares)
        x = (x[:, None, :] - gamma[..., None] * gradients).reshape(-1, x.shape[-1])
        # entry (path, i) of the new state belongs to the path that went on with term i
        state = tuple(np.broadcast_to(s, values.shape).reshape(-1) for s in after)
        means.append(problem.f(x).mean())
    return np.array(means) - problem.minimum

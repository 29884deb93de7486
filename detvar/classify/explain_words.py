r"""What each step of a derivation says: its sentence, its formulas, and why it holds.

A step is a rule and the numbers it speaks of, and nothing else: the same numbers always give the
same words.  Sentences may hold formulas between dollars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detvar.classify.explain_phrases import (
    Words,
    chain_of,
    equal,
    layers,
    outer_block,
    rank_between,
    shown,
    value_of,
)
from detvar.exact.latex import (
    from_text,
    linear_combination,
    number,
    product,
    signature,
    words,
)

Numbers = Mapping[str, Any]

KOHN = "Trager, Kohn, Bruna (2020)"
ACHOUR = "Achour, Malgouyres, Gerchinovitz (2021)"
NATURES = {
    "global_minimum": "global minimum",
    "local_minimum": "local minimum",
    "local_maximum": "local maximum",
    "strict_saddle": "strict saddle",
    "non_strict_saddle": "non-strict saddle",
}


# --- the problem ----------------------------------------------------------------------------------


def problem(x: Numbers) -> Words:
    h = len(x["widths"]) - 1
    name = product("W", h)
    claim = (
        rf"The network {chain_of(x['widths'])} computes $\bar W={name}$; the loss is $\ell$, and "
        r"$L(\theta)=\ell(\bar W)$."
    )
    same = "" if h == 1 else rf"\bar W={name}={shown(x['product'])},\quad "
    formulas = (x["formula"], layers("W", x["weights"]), rf"{same}L(\theta){equal(x['value'])}")
    return Words(claim, formulas, "the layers, multiplied")


def gradient(x: Numbers) -> Words:
    verb = "does not vanish" if any(x["gradient"].entries()) else "vanishes"
    claim = rf"The gradient of the loss {verb} at $\bar W$."
    formula = rf"G=\nabla\ell(\bar W)={shown(x['gradient'])}"
    return Words(claim, (formula,), "differentiation")


def not_critical(x: Numbers) -> Words:
    i, a, b = x["layer"], x["row"], x["column"]
    claim = rf"A partial derivative of $L$ by the layer {i} is not zero."
    formulas = (
        rf"\frac{{\partial L}}{{\partial W_{{{i}}}}}={outer_block(i, i, x['depth'])}"
        rf"={shown(x['partial'])}",
        rf"\frac{{\partial L}}{{\partial (W_{{{i}}})_{{{a}{',' if max(a, b) > 9 else ''}{b}}}}}"
        rf"{equal(x['slope'])}\ne 0",
    )
    return Words(claim, formulas, "the chain rule")


def critical(x: Numbers) -> Words:
    claim = r"All partial derivatives of $L$ vanish: $\theta$ is critical."
    h = x["depth"]
    if h < 4:
        found = (
            rf"\frac{{\partial L}}{{\partial W_{{{i}}}}}={outer_block(i, i, h)}=0"
            for i in range(1, h + 1)
        )
        return Words(claim, (r",\quad ".join(found),), "the chain rule")
    formula = (
        r"\frac{\partial L}{\partial W_{i}}=W_{>i}^{\top}G\,W_{<i}^{\top}=0"
        rf"\quad(1\le i\le {h})"
    )
    return Words(claim, (formula,), "the chain rule")


def ranks(x: Numbers) -> Words:
    e, r, (m, n) = x["rank"], x["bound"], x["shape"]
    if x["filling"]:
        space = rf"The widths allow every ${m}\times {n}$ matrix: the network is filling."
    else:
        space = (
            rf"The function space $\mathcal{{M}}_{{{r}}}$ is the set of ${m}\times {n}$ matrices "
            f"of rank at most {r}: the network is not filling."
        )
    sizes = ",".join(map(str, x["widths"]))
    compared = rf"{e}=r" if e == r else f"{e}<r"
    formula = rf"\operatorname{{rk}}\bar W={compared},\quad r=\min({sizes})={r}"
    if e == r:
        formula = rf"\operatorname{{rk}}\bar W={e}=r=\min({sizes})"
    return Words(space, (formula,), "elimination over the rationals")


def kind(x: Numbers) -> Words:
    r, (m, n) = x["bound"], x["shape"]
    size = r * (m + n - r)
    if x["kind"] == "pure":
        claim = (
            r"$\theta$ is pure: $\bar W$ is a critical point of $\ell$ on all matrices."
            if x["filling"]
            else rf"$\theta$ is pure: $\bar W$ is a smooth point of $\mathcal{{M}}_{{{r}}}$, and a "
            r"critical point of $\ell$ there."
        )
    elif x["filling"]:
        claim = (
            r"$\theta$ is spurious: critical for the weights, but $\bar W$ is not critical for "
            r"$\ell$."
        )
    else:
        claim = (
            rf"$\theta$ is spurious: $\bar W$ is a singular point of $\mathcal{{M}}_{{{r}}}$"
            + (", although the gradient vanishes." if x["zero_gradient"] else ".")
        )
    rk, sign = x["differential_rank"], "=" if x["differential_rank"] == size else "<"
    how = "its largest possible rank" if sign == "=" else "less than its largest possible rank"
    claim += rf" The differential of $\mu$ has {how}."
    formula = rf"\operatorname{{rk}}d\mu(\theta)={rk}{sign}r(m+n-r)"
    formula += f"={size}" if sign == "<" else ""
    return Words(claim, (formula,), f"definition of {KOHN}")


def effective(x: Numbers) -> Words:
    claim = (
        r"The loss sees only $CWB$, so that $L$ is the risk of the effective network "
        rf"{chain_of(x['widths'])} at $(W_{{1}}B,\dots,CW_{{h}})$. From here on, $\theta$, "
        r"$\bar W$, $\ell$, $G$ and $r$ are those of the effective problem."
    )
    formulas = (
        rf"C={shown(x['left'])},\quad B={shown(x['right'])}",
        x["formula"],
        rf"\bar W={shown(x['product'])},\quad G={shown(x['gradient'])}",
        rf"\operatorname{{rk}}\bar W={x['rank']},\quad r={x['bound']},\quad "
        rf"\text{{{'filling' if x['filling'] else 'not filling'}}}",
    )
    why = "the weights are mapped onto the effective weights, linearly: extrema and saddles agree"
    return Words(claim, formulas, why)


def constant(x: Numbers) -> Words:
    claim = "The loss does not depend on $W$, so that every point is a global minimum."
    return Words(claim, (rf"\ell(W){equal(x['value'])}\quad\text{{for all }}W",), "the data")


# --- global minima --------------------------------------------------------------------------------


def convex(x: Numbers) -> Words:
    why = words(x["why"])
    return Words(f"{why[:1].upper()}{why[1:]}.", (), "the form of the loss")


def zero_gradient(x: Numbers) -> Words:
    claim = r"No matrix at all has a smaller loss than $\bar W$."
    formula = (
        r"\ell(W)\ge\ell(\bar W)+\langle G,W-\bar W\rangle=\ell(\bar W)"
        rf"{equal(x['value'])}\quad\text{{for all }}W"
    )
    return Words(claim, (formula,), "convexity, and $G=0$")


def kronecker(x: Numbers) -> Words:
    end = linear_combination([(x["constant"], "")]) if x["constant"] else ""
    sign = "+" if end and not end.startswith("-") else ""
    formula = (
        r"\ell(W)=\tfrac{1}{2}\operatorname{tr}\left(P(W-U)\Sigma(W-U)^{\top}\right)" + sign + end
    )
    data = rf"P={shown(x['left'])},\quad\Sigma={shown(x['right'])},\quad U={shown(x['target'])}"
    claim = (
        r"The loss measures a distance from $U$: its Hessian is $P\otimes\Sigma$ with "
        r"$P,\Sigma\succ 0$."
    )
    return Words(claim, (formula, data), "expansion; both factors have positive pivots")


def _values(found: Sequence[tuple[Any, int]]) -> str:
    parts = []
    for v, k in reversed(found):
        text = value_of(v)
        parts.append(text if k == 1 else rf"{text}\text{{ ({k} times)}}")
    return r",\ ".join(parts) or r"\text{none}"


def singular_values(x: Numbers) -> Words:
    claim = (
        r"$\bar W$ keeps the singular values $\sigma_{s}$ of $P^{1/2}U\Sigma^{1/2}$; the others, "
        r"$\sigma_{q}$, make up the gradient."
    )
    formula = (
        rf"\sigma_{{s}}^{{2}}\colon\ {_values(x['taken'])}\qquad "
        rf"\sigma_{{q}}^{{2}}\colon\ {_values(x['left'])}"
    )
    return Words(
        claim,
        (formula,),
        r"eigenvalues, not zero, of $P\bar W\Sigma\bar W^{\top}$ and $P^{-1}G\Sigma^{-1}G^{\top}$",
    )


def top(x: Numbers) -> Words:
    if not x["taken"]:
        claim = r"$\bar W=0$ keeps no singular value, so that no smaller one is kept instead."
        return Words(claim, (), "the list of singular values")
    if not x["left"]:
        return Words("No singular value is left out.", (), "the list of singular values")
    ends = x["left"][-1][0], x["taken"][0][0]
    high, low = map(value_of, ends)
    exact = all(y.is_rational for y in ends) or x["threshold"] is None
    t = "" if exact else rf"\le {number(x['threshold'])}"
    claim = "The largest singular values are kept."
    return Words(
        claim,
        (rf"\max_{{q}}\sigma_{{q}}^{{2}}={high}{t}\le {low}=\min_{{s}}\sigma_{{s}}^{{2}}",),
        "a comparison of exact numbers",
    )


def wrong_order(x: Numbers) -> Words:
    k = x["pairs"]
    claim = "A larger singular value is left out than one that is kept" + (
        ": this is so for one pair." if k == 1 else f": this is so for {k} pairs."
    )
    low, high = value_of(x["taken"][0][0]), value_of(x["left"][-1][0])
    formula = rf"\min_{{s}}\sigma_{{s}}^{{2}}={low}<{high}=\max_{{q}}\sigma_{{q}}^{{2}}"
    return Words(claim, (formula,), "a comparison of exact numbers")


def eckart_young(x: Numbers) -> Words:
    claim = rf"$\bar W$ has the least loss among all matrices of rank at most {x['bound']}."
    start = f"{number(x['constant'])}+" if x["constant"] else ""
    formula = (
        rf"\ell(\bar W)={start}\tfrac{{1}}{{2}}\sum_{{q}}\sigma_{{q}}^{{2}}{equal(x['value'])}"
        rf"=\min\left\{{\ell(W)\colon\operatorname{{rk}}W\le {x['bound']}\right\}}"
    )
    return Words(claim, (formula,), "Eckart, Young (1936)")


# --- saddles --------------------------------------------------------------------------------------


def _bend(x: Numbers, letter: str, sign: str) -> tuple[str, str]:
    second = rf"\frac{{d^{{2}}}}{{dt^{{2}}}}L(\theta+t{letter}){equal(x['second'])}{sign}0"
    return layers(letter, x["direction"]), rf"{second}\quad\text{{at }}t=0"


def down(x: Numbers) -> Words:
    claim = r"Along the line $\theta+tV$ the loss bends downwards: $\theta$ is no local minimum."
    return Words(claim, _bend(x, "V", "<"), "the layers, multiplied out in $t$")


def up(x: Numbers) -> Words:
    claim = r"Along the line $\theta+tV'$ it bends upwards: $\theta$ is no local maximum."
    return Words(claim, _bend(x, "V'", ">"), "the layers, multiplied out in $t$")


def pivot(x: Numbers) -> Words:
    i, j = x["pivot"]
    claim = (
        f"The pivot $({i},{j})$ is not tightened, so that the Hessian of $L$ has a negative "
        "eigenvalue."
    )
    formula = (
        rf"{outer_block(i, j, x['depth'])}={shown(x['outer'])}\ne 0,\quad "
        rf"{rank_between(i, j)}={x['middle_rank']}>{x['rank']}=\operatorname{{rk}}\bar W"
    )
    return Words(claim, (formula,), ACHOUR)


def tightened(x: Numbers) -> Words:
    claim = (
        r"Every pivot $(i,j)$ is tightened: $W_{>i}^{\top}G\,W_{<j}^{\top}=0$, or the layers "
        r"between have the rank of $\bar W$."
    )
    parts = []
    for i, j, is_zero, k in x["pivots"]:
        outer, inner = outer_block(i, j, x["depth"]), rank_between(i, j)
        parts.append(rf"({i},{j})\colon\ {f'{outer}=0' if is_zero else f'{inner}={k}'}")
    lines = [r",\quad ".join(parts[k : k + 3]) for k in range(0, len(parts), 3)]
    return Words(claim, tuple(lines), "products and ranks of the layers")


def low_rank(x: Numbers) -> Words:
    claim = (
        rf"As $\operatorname{{rk}}\bar W={x['rank']}<{x['bound']}=r$ and $G\ne 0$, arbitrarily "
        r"near $\theta$ there are weights with the same $\bar W$, and so the same loss, that are "
        r"not critical; hence $\theta$ is neither a local minimum nor a local maximum."
    )
    return Words(claim, (), KOHN)


def fiber_curve(x: Numbers) -> Words:
    k, c = x["order"], x["step"]
    power = r"\varepsilon" if k == 1 else rf"\varepsilon^{{{k}}}"
    step = ("" if c == 1 else number(c)) + power
    higher = rf"\varepsilon^{{{2 * k}}}"
    low = linear_combination([(x["value"], ""), (x["lower"], higher)])
    high = linear_combination([(x["value"], ""), (x["upper"], higher)])
    claim = (
        r"On the line $\theta+\varepsilon V$ the end-to-end matrix, and so $L$, is constant, but "
        rf"the gradient of $L$ is ${power}N+\cdots$ with $N\ne 0$. Following it down and up, $L$ "
        "takes smaller and larger values."
    )
    formulas = (
        layers("V", x["direction"]),
        layers("N", x["normal"]),
        rf"L(\theta+\varepsilon V-{step}N)={low}+\cdots",
        rf"L(\theta+\varepsilon V+{step}N)={high}+\cdots",
    )
    return Words(claim, formulas, r"the layers, multiplied out in $\varepsilon$")


# --- second derivatives ---------------------------------------------------------------------------


def _definiteness(p: int, n: int, z: int) -> str:
    if not n and not p:
        return "zero"
    if not n:
        return "positive semidefinite" if z else "positive definite"
    if not p:
        return "negative semidefinite" if z else "negative definite"
    return "indefinite"


def hessian(x: Numbers) -> Words:
    p, n, z = x["inertia"]
    many = "eigenvalue" if n == 1 else "eigenvalues"
    claim = f"The Hessian of $L$ is {_definiteness(p, n, z)}"
    claim += f", with {n} negative {many}." if n and p else "."
    if not n and not z:
        claim = "The Hessian of $L$ is positive definite."
    formula = rf"\operatorname{{In}}\nabla^{{2}}L(\theta)={signature(x['inertia'])}"
    return Words(claim, (formula,), "numbers of positive, negative and zero eigenvalues")


def transfer(x: Numbers) -> Words:
    r, (m, n) = x["bound"], x["shape"]
    where = r"all matrices" if r == min(m, n) else rf"the matrices of rank {r}"
    claim = (
        rf"At maximal rank $\mu$ is a submersion onto {where}, so that $\theta$ is a local "
        r"minimum, a local maximum or a saddle of $L$ exactly if $\bar W$ is one of $\ell$ there."
    )
    formula = rf"\operatorname{{rk}}d\mu(\theta)=r(m+n-r)={x['differential_rank']}"
    return Words(claim, (formula,), KOHN)


def function_space_hessian(x: Numbers) -> Words:
    p, n, z = x["inertia"]
    claim = (
        r"Writing $\bar W=UV$ and $X=AV+UB$ for the tangent vectors, the second derivative of "
        rf"$\ell$ along the matrices of rank {x['bound']} is {_definiteness(p, n, z)}"
        + (f", with a kernel of dimension {z}." if z else ".")
    )
    formula = (
        r"Q(X)=\nabla^{2}\ell[X,X]+2\langle G,AB\rangle,\quad "
        rf"\operatorname{{In}}Q={signature(x['inertia'])}"
    )
    return Words(claim, (formula,), "numbers of positive, negative and zero eigenvalues")


def reduced(x: Numbers) -> Words:
    if x["flat"]:
        claim = (
            r"The kernel of $Q$ is tangent to a curve of critical points on which $\ell$ is "
            r"constant, and $Q$ is positive across it."
        )
        return Words(claim, (), "a rational curve, found by power series; Morse--Bott lemma")
    nu = x["nullity"]
    variables = r"s_{1},\dots,s_{" + f"{nu}}}" if nu > 2 else ",".join(["s_{1}", "s_{2}"][:nu])
    name = rf"\varphi({variables})"
    claim = rf"Eliminating the other coordinates leaves a function ${name}$ on the kernel of $Q$"
    if x["order"] is None:
        return Words(f"{claim}; it is constant as far as computed.", (), "splitting lemma")
    claim += rf", whose first term has the order {x['order']}"
    claim += {
        "local_minimum": " and is positive.",
        "non_strict_saddle": " and takes negative values.",
        None: ": it does not decide.",
    }[x["nature"]]
    leading = from_text(x["leading"])
    start = number(x["value"]) if x["value"] else ""
    sign = "" if not start or leading.startswith("-") else "+"
    formula = rf"{name}={start}{sign}{leading}+\cdots"
    return Words(claim, (formula,), "splitting lemma (Lyapunov--Schmidt), power series")


def ambient_hessian(x: Numbers) -> Words:
    p, n, z = x["inertia"]
    is_max = n > 0
    what = "maximum" if is_max else "minimum"
    how = _definiteness(p, n, z)
    if z:
        how += r" and $\ell$ is quadratic"
    claim = (
        rf"As $G=0$ and $\nabla^{{2}}\ell(\bar W)$ is {how}, $\bar W$ is a local {what} of $\ell$ "
        rf"on all matrices, and so $\theta$ is one of $L$."
    )
    formula = rf"\operatorname{{In}}\nabla^{{2}}\ell(\bar W)={signature(x['inertia'])}"
    return Words(claim, (formula,), r"$L=\ell\circ\mu$ with $\mu$ continuous")


def lower(x: Numbers) -> Words:
    claim = f"It is not global: a matrix of rank at most {x['bound']} has a smaller loss."
    relation, here = equal(x["value"]), equal(x["here"])
    formula = rf"\ell\left({shown(x['point'])}\right){relation}<\ell(\bar W){here}"
    return Words(claim, (formula,), "evaluation")


def undecided(x: Numbers) -> Words:
    del x
    claim = (
        "Second derivatives do not decide, and no other statement used here applies; nothing "
        "beyond criticality is claimed."
    )
    return Words(claim, (), "the decision table")


def conclusion(x: Numbers) -> Words:
    nature, kind_ = x["nature"], x["kind"]
    checked = f"the certificate recomputes: {words('; '.join(x['checks']))}"
    if nature == "not_critical":
        return Words(r"$\theta$ is not critical.", (), checked)
    if nature in NATURES:
        what = f"{kind_} {NATURES[nature]}"
        claim = rf"$\theta$ is a {what} of $L$" + (
            ", but not a global one." if x["is_bad"] else "."
        )
    elif nature == "degenerate":
        claim = rf"$\theta$ is {kind_} and degenerate; whether it is a local minimum stays open."
    else:
        claim = rf"$\theta$ is {kind_}; its nature stays undecided."
    return Words(claim, (), checked)


WORDS: dict[str, Callable[[Numbers], Words]] = {
    f.__name__: f
    for f in (
        problem, gradient, not_critical, critical, ranks, kind, effective, constant, convex,
        zero_gradient, kronecker, singular_values, top, wrong_order, eckart_young, down, up,
        pivot, tightened, low_rank, fiber_curve, hessian, transfer, function_space_hessian,
        reduced, ambient_hessian, lower, undecided, conclusion,
    )
}  # fmt: skip

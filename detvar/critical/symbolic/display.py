"""Critical equations as readable text and in LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detvar.losses.symbolic import SymbolicLoss

if TYPE_CHECKING:
    from detvar.critical.symbolic.equations import CriticalEquations

_LONG = 20_000  # characters of entries that are still printed
_FEW = 9  # expressions of a side condition that are printed


def headline(eqs: CriticalEquations) -> str:
    """Return one line: which equations of which problem."""
    what = {
        "weights": "in the weights",
        "function_space": "on the matrices W",
        "chart": "in the chart W = E·B",
    }[eqs.form]
    rank = "" if eqs.rank is None else f" of rank {eqs.rank}"
    return f"Critical equations of the {_kind(eqs.loss)} loss on {eqs.network}, {what}{rank}"


def description(eqs: CriticalEquations) -> str:
    """Return one sentence: what the solutions are, and which points are not among them."""
    plan = eqs.plan
    if plan.form == "weights":
        rank = "any rank" if eqs.rank is None else f"rank {eqs.rank}"
        return f"The solutions are the critical weights with an end-to-end matrix W of {rank}."
    out = f"The solutions are the critical points W of the loss on the matrices of rank {eqs.rank}"
    if plan.multipliers == "minors":
        out += ", each with all multipliers of the minors that it has"
    if plan.pivots and len(plan.pivots) < plan.shape[0]:
        rows = ", ".join(str(i + 1) for i in plan.pivots)
        one = len(plan.pivots) == 1
        where = f"row {rows} of W is not zero" if one else f"rows {rows} of W are independent"
        out += f" for which {where}"
    return out + "."


def plain_text(eqs: CriticalEquations) -> str:
    """Return the unknowns, the matrix equations, and their entries if these are not too long."""
    lines = [headline(eqs), description(eqs)]
    for name, rows in eqs.plan.blocks:
        lines.append(f"  {name} = {_rows(rows)}")
    if eqs.parameters:
        lines.append(f"  parameters: {', '.join(s.name for s in eqs.parameters)}")
    lines.append("Equations, with G = ∇ℓ(W):")
    lines += [f"  {e}    ({e.name})" for e in eqs.factored]
    for condition in eqs.side_conditions:
        few = len(condition.expressions) <= _FEW
        shown = ", ".join(map(str, condition.expressions)) if few else "minors"
        end = "≠ 0" if len(condition.expressions) == 1 else "not all zero"
        lines.append(f"  {shown} {end}    ({condition.name})")
    return "\n".join(lines + _entries(eqs))


def _entries(eqs: CriticalEquations) -> list[str]:
    lines = [f"Entry by entry ({len(eqs.equations)}):"]
    room = _LONG
    for x in eqs.equations:
        lines.append(f"  0 = {x}")
        room -= len(lines[-1])
        if room < 0:
            return [f"{len(eqs.equations)} entries, too long to print: see .equations"]
    return lines


def latex(eqs: CriticalEquations) -> str:
    r"""Return the matrix equations and the entries of W and G in LaTeX, between $$ and $$."""
    import sympy

    symbolic = SymbolicLoss.of(eqs.loss)
    formula = r"\nabla\ell(W)" if symbolic is None else symbolic.gradient_latex
    product = {
        "weights": "".join(f"W_{{{i}}}" for i in range(eqs.network.depth, 0, -1)),
        "chart": "EB",
        "function_space": "",
    }[eqs.form]
    rows = [rf"{e.latex.replace('= 0', '&= 0')}" for e in eqs.factored]
    w = sympy.latex(eqs.matrix)
    rows.append(rf"W &= {product}{' = ' if product else ''}{w}")
    rows.append(rf"G &= {formula} = {sympy.latex(eqs.gradient)}")
    body = " \\\\\n".join(rows)
    return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


def _rows(rows: Any) -> str:
    return "[" + ", ".join("[" + ", ".join(map(str, row)) + "]" for row in rows) + "]"


def _kind(loss: Any) -> str:
    return str(loss.to_json().get("type", type(loss).__name__)).replace("_", "-")

r"""Lists of critical points, components of loci and counts as LaTeX text.

Tables have one row for each point or family; matrices and exact numbers are math, the rest words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detvar.exact.latex import (
    display,
    floating,
    from_text,
    interval,
    matrix,
    number,
    paragraphs,
    table,
    words,
)

if TYPE_CHECKING:
    from detvar.critical.analytic.boxes import BoxSearch
    from detvar.critical.analytic.infinity import AtInfinity
    from detvar.critical.certified import CertifiedPoints
    from detvar.critical.certified_point import CertifiedPoint
    from detvar.critical.discriminants import (
        ChangeDistance,
        DiscriminantReport,
        EDDiscriminant,
        LossPath,
    )
    from detvar.critical.locus import CriticalLocus, LocusComponent
    from detvar.critical.points import CriticalPoints
    from detvar.critical.sampling import Sample
    from detvar.critical.singular_values import Spectrum

_DIGITS = 6
_ABOUT = r"\approx "


def _nature(text: str) -> str:
    return words(text.replace("non_strict", "non-strict").replace("_", " "))


def _problem(variety: Any, loss: Any, network: Any = None) -> str:
    of = "" if network is None else f" of the network {network}"
    where = rf"$\mathcal{{M}}_{{{variety.rank}}}={variety.to_latex()}$"
    return f"Critical points{of} on {where} of\n{display(loss.to_latex())}"


# --- points ---------------------------------------------------------------------------------------


def point_matrix(p: CertifiedPoint) -> str:
    """Return W in math: exact where it is known so, otherwise rounded to six digits."""
    if p.exact is not None:
        return matrix(p.exact)
    return matrix([[_entry(z, p) for z in row] for row in p.center])


def _entry(z: complex, p: CertifiedPoint) -> str:
    real, imaginary = z.real, z.imag
    shown = "0" if abs(real) <= p.radius else floating(real, _DIGITS)
    if p.is_real or abs(imaginary) <= p.radius:
        return shown
    rest = floating(abs(imaginary), _DIGITS)
    sign = "-" if imaginary < 0 else "" if shown == "0" else "+"
    return f"{'' if shown == '0' else shown}{sign}{rest}i"


def point_value(p: CertifiedPoint) -> str:
    """Return ℓ(W) in math: exact, or an interval that contains it."""
    if p.exact_value is not None:
        return number(p.exact_value)
    return "" if p.value is None else from_text(p.value_text().replace("…", r"\ldots"))


def certified_point(p: CertifiedPoint) -> str:
    """See `CertifiedPoint.to_latex`."""
    sign = "=" if p.exact is not None else r"\approx"
    parts = [f"W{sign}{point_matrix(p)}"]
    value = point_value(p)
    if value:
        relation = "=" if p.exact_value is not None else r"\approx "
        parts.append(rf"\ell(W){relation}{value}")
    if p.inertia is not None:
        parts.append(rf"\text{{index }}{p.inertia.negative}")
    label = _nature(p.nature) if p.kind is None else f"{p.kind}, {_nature(p.nature)}"
    known = "" if p.is_certified else " (not certified)"
    return r",\quad ".join([*parts, rf"\text{{{label}{known}}}"])


def certified_points(found: CertifiedPoints, all_complex: bool) -> str:
    """See `CertifiedPoints.to_latex`."""
    from detvar.critical.certified_point import middle

    chosen = [p for p in found.points if p.is_real or all_complex]
    chosen.sort(key=lambda p: (-p.rank, not p.is_real, middle(p)))
    rows = [
        (
            p.rank if p.rank_is_proved else rf"$\le{p.rank}$",
            f"${'' if p.exact is not None else _ABOUT}{point_matrix(p)}$",
            _math(point_value(p)),
            _nature(p.nature) if p.kind is None else f"{p.kind}, {_nature(p.nature)}",
            p.index,
        )
        for p in chosen
    ]
    headers = ["rank", "$W$", r"$\ell(W)$", "nature", "index"]
    blocks = [_problem(found.variety, found.loss, found.network)]
    small = found.reduction
    if small is not None and small.changed and small.loss is not None:
        blocks.append(f"Ranks and matrices are those of $CWB$:\n{display(small.to_latex())}")
    if rows:
        blocks.append(table(headers, rows, "rlllr"))
    else:
        blocks.append("No point was found." if all_complex else "No real point was found.")
    blocks += [f"{x.to_latex()}." for x in found.reports]
    if found.at_infinity is not None:
        blocks.append(at_infinity(found.at_infinity))
    return paragraphs(*blocks)


def _math(text: str) -> str:
    return f"${text}$" if text else ""


def critical_points(found: CriticalPoints) -> str:
    """See `CriticalPoints.to_latex`."""
    head = _problem(found.variety, found.loss)
    if found.spectrum is None:
        return paragraphs(head, "The loss is constant: every matrix is critical.")
    rows = []
    for row, c in zip(found.rows(), found.components, strict=True):
        rank, keeps, _, nature, index, nullity, dimension = row
        value = _math(number(c.value))
        rows.append((rank, words(keeps), value, nature, index, nullity, dimension))
    headers = ["rank", "keeps", r"$\ell(W)$", "nature", "index", "nullity", "dimension"]
    count = found.complex_count
    many = "infinitely many" if count is None else str(count)
    end = f"There are {many} of rank {found.bound}: {words(found.expected_count_source)}."
    return paragraphs(head, display(spectrum(found.spectrum)), table(headers, rows, "rlllrrr"), end)


def spectrum(s: Spectrum) -> str:
    """Return the singular values in math, those of irrational squares by their squares."""
    parts = []
    for j, (x, k) in enumerate(zip(s.squares, s.multiplicities, strict=True), start=1):
        name = rf"\sigma_{{{j}}}" + ("" if x.is_rational else "^{2}")
        value = number(x.sqrt() if x.is_rational else x)
        times = rf"\ \text{{({k} times)}}" if k > 1 else ""
        parts.append(f"{name}={value}{times}")
    if s.zeros:
        parts.append("0" + (rf"\ \text{{({s.zeros} times)}}" if s.zeros > 1 else ""))
    return r",\quad ".join(parts)


# --- loci -----------------------------------------------------------------------------------------


def locus_component(c: LocusComponent) -> str:
    """See `LocusComponent.to_latex`."""
    return (
        f"Rank {c.choice.rank}, keeps {words(c.choice.symbols)}: {c.kind}, {_nature(c.nature)}, "
        f"dimension {c.dimension}, index {c.index}, "
        f"$L={number(c.choice.value)}$, strings ${c.strings.to_latex()}$."
    )


def critical_locus(locus: CriticalLocus) -> str:
    """See `CriticalLocus.to_latex`."""
    head = f"Critical weights of the network {locus.network}, for\n{display(locus.loss.to_latex())}"
    blocks = [head]
    if locus.reduction.changed:
        shown = "-".join(map(str, locus.reduction.widths))
        blocks.append(f"Labels refer to the effective network {shown}.")
    if locus.spectrum is None:
        return paragraphs(*blocks, "The loss is constant: every point is a global minimum.")
    values = {str(c.choice.value): number(c.choice.value) for c in locus.components}
    rows = [
        (rank, words(keeps), f"${values[value]}$", kind, words(nature), *rest)
        for rank, keeps, value, kind, nature, *rest in locus.rows()
    ]
    headers = ["rank", "keeps", "$L$", "kind", "nature", "index", "dimension", "count"]
    blocks += [display(spectrum(locus.spectrum)), table(headers, rows, "rllllrrr")]
    return paragraphs(*blocks, words(locus.summary()))


# --- searches and counts --------------------------------------------------------------------------


def at_infinity(x: AtInfinity) -> str:
    """See `AtInfinity.to_latex`."""
    direction = display(f"D={matrix(x.direction)}")
    return f"The infimum is not attained: {words(x.reason)}, with\n{direction}"


def box_search(x: BoxSearch) -> str:
    """See `BoxSearch.to_latex`."""
    ends = [sorted(set(a.entries())) for a in (x.low, x.high)]
    if len(ends[0]) == len(ends[1]) == 1:
        box = rf"{number(ends[0][0])}\le w_{{ij}}\le {number(ends[1][0])}"
    else:
        box = rf"{matrix(x.low)}\le W\le{matrix(x.high)}"
    points = display(*(certified_point(p) for p in x.points))
    said = words(str(x)).partition(": ")[2]
    return paragraphs(f"Rank {x.rank}, in the box\n{display(box)}", f"{said}.", points)


def sample(x: Sample) -> str:
    """See `Sample.to_latex`."""
    m, n, r = x.variety
    head = (
        f"{x.asked} random losses ({words(x.family)}) on the ${m}\\times {n}$ matrices of rank at "
        f"most {r}; {x.certified} completely certified, seed {x.seed}."
    )
    headers = ["number", "real points", r"$\pm$", "strict minima", r"$\pm$"]
    rows = [[words(str(cell)) for cell in row] for row in x.rows()]
    return paragraphs(head, table(headers, rows, "rrrrr"))


# --- where the picture changes --------------------------------------------------------------------


def loss_path(path: LossPath) -> str:
    """See `LossPath.to_latex`."""
    from detvar.losses.formulas_latex import field_latex

    m, n = path.shape
    parts = [rf"{path.parameter}\mapsto\ell_{{{path.parameter}}}\text{{ ({words(path.kind)})}}"]
    for name, x in path.fields:
        parts.append(f"{field_latex(name)}={_data(x)}")
    return r",\quad ".join([*parts, rf"W\in\mathbb{{R}}^{{{m}\times {n}}}"])


def _data(x: Any) -> str:
    if isinstance(x, (list, tuple)):
        rows = x if x and isinstance(x[0], (list, tuple)) else [x]
        return matrix([[_function(y) for y in row] for row in rows])
    if isinstance(x, str):
        from detvar.losses.formulas_latex import in_latex

        return in_latex(x)
    return _function(x)


def _function(f: Any) -> str:
    if not hasattr(f, "numerator") or not hasattr(f, "denominator") or isinstance(f, int):
        return from_text(str(f))
    top, bottom = from_text(str(f.numerator)), str(f.denominator)
    return top if bottom == "1" else rf"\frac{{{top}}}{{{from_text(bottom)}}}"


def discriminant_report(x: DiscriminantReport) -> str:
    """See `DiscriminantReport.to_latex`."""
    t = x.path.parameter
    head = f"Real critical points of rank {x.rank} along the path\n{display(loss_path(x.path))}"
    rows = []
    for i, piece in enumerate(x.pieces):
        if i:
            rows.append(_event(x.events[i - 1]))
        ends = f"({_end(piece.low, '-')},\\,{_end(piece.high, '')})"
        rows.append((f"${ends}$", _count(piece.real), _count(piece.minima), words(piece.reason)))
    found = table([f"${t}$", "real", "minima", "what happens"], rows, "lrrl")
    return paragraphs(head, found, *(words(note) for note in x.notes))


def _end(x: Any, sign: str) -> str:
    return rf"{sign}\infty" if x is None else number(x)


def _count(x: int | None) -> str:
    return "?" if x is None else str(x)


def _event(e: Any) -> tuple[str, ...]:
    place = number(e.value) if e.value is not None else interval(float(e.low), float(e.high))
    return f"${place}$", _count(e.real), _count(e.minima), words(e.sentence())


def change_distance(x: ChangeDistance) -> str:
    """See `ChangeDistance.to_latex`."""
    rows = []
    for p in x.pairs:
        ratio = p.ratio
        pair = rf"$\sigma_{{{p.index}}},\ \sigma_{{{p.index + 1}}}$"
        what = "the global minimum and saddles" if p.is_decisive else "saddles only"
        shown = "" if ratio is None else _math(number(ratio))
        rows.append((pair, shown, _math(number(p.distance)), what))
    blocks = [display(spectrum(x.spectrum))]
    if rows:
        blocks.append(table(["pair", "ratio", "distance", "changes"], rows, "llll"))
    return paragraphs(*blocks, words(x.verdict()))


def ed_discriminant(x: EDDiscriminant) -> str:
    """See `EDDiscriminant.to_latex`."""
    unit = number(x.polynomial.factor()[0]) if x.size > 1 else "1"
    parts = []
    for f, e in x.factors():
        power = f"^{{{e}}}" if e > 1 else ""
        parts.append(rf"\left({from_text(str(f))}\right){power}")
    start = "" if unit == "1" and parts else unit
    head = r"\operatorname{disc}_{s}\det(s-ZZ^{\top})"
    return f"{head}={start}{''.join(parts)}"

"""Checking a critical locus by weights one can hold: an exact witness for every family.

Labels, indices and dimensions depend on the data only through the order and the multiplicities
of the singular values. So each family is re-checked on a twin problem with the same pattern and
small integer singular values, where a rational member of the family is built and all that is
claimed is computed from the weights: gradient, D×D Hessian by LDLᵀ, certificate, and the
dimension as the rank of an infinitesimal group action.
"""

from __future__ import annotations

from random import Random

from detvar.classify import classify
from detvar.classify.hessian import full_hessian
from detvar.critical.locus import CriticalLocus, LocusComponent
from detvar.critical.spectrum import Spectrum
from detvar.exact.inertia import ldlt
from detvar.exact.matrices import Matrix, hstack, identity, nullspace, rank, vec, vstack, zeros
from detvar.losses import SquaredLoss
from detvar.networks.linear import LinearNetwork, Weights
from detvar.networks.sampling import weights_of_strings

_FACTORED_UP_TO = 120


def witness(
    network: LinearNetwork, singular: Spectrum, member: LocusComponent, seed: int = 0
) -> tuple[SquaredLoss, Weights]:
    """Return a squared loss with the pattern of the singular values, and weights of the family.

    Parameters
    ----------
    network : the effective network
    singular : its spectrum; the j-th distinct non-zero value of t becomes t − j + 1
    member : the family
    seed : of the random member
    """
    m, n = network.widths[-1], network.widths[0]
    target, product = zeros(m, n), zeros(m, n)
    distinct = len(singular.multiplicities)
    row = 0
    for j, (size, take) in enumerate(zip(singular.multiplicities, member.choice.take, strict=True)):
        for k in range(size):
            target[row, row] = distinct - j
            if k < take:
                product[row, row] = distinct - j
            row += 1
    loss = SquaredLoss(identity(n), target)
    weights = weights_of_strings(member.strings, product, loss.gradient(product), seed)
    return loss, weights


def orbit_dimension(weights: Weights, product: Matrix, gradient: Matrix) -> int:
    """Return the dimension of the family of θ: the rank of the group action that keeps W̄ and G.

    The group is ∏ GL(d_l) over the hidden layers times the (A_h, A_0) with A_h W̄ = W̄ A_0 and
    A_hᵀ G = G A_0ᵀ; it acts by δW_l = A_l W_l − W_l A_{l−1}.

    Notes
    -----
    **Cost**: the rank of a D × (Σ d_l²) matrix.
    """
    h = len(weights)
    m, n = product.nrows(), product.ncols()
    conditions, moves = [], []
    for layer, size in ((h, m), (0, n)):
        for a in range(size):
            for b in range(size):
                e = zeros(size, size)
                e[a, b] = 1
                if layer == h:
                    first, second = e * product, e.transpose() * gradient
                else:
                    first, second = -(product * e), -(gradient * e.transpose())
                conditions.append(vstack(vec(first), vec(second)))
                moves.append(_moved(weights, layer, e))
    stabiliser = nullspace(hstack(*conditions))
    columns = [hstack(*moves) * stabiliser]
    for layer in range(1, h):
        size = weights[layer - 1].nrows()
        for a in range(size):
            for b in range(size):
                e = zeros(size, size)
                e[a, b] = 1
                columns.append(_moved(weights, layer, e))
    return rank(hstack(*columns))


def _moved(weights: Weights, layer: int, generator: Matrix) -> Matrix:
    """Return the change of all weights under A_layer = generator, as one column."""
    out = []
    for i, w in enumerate(weights):
        if i + 1 == layer:
            out.append(vec(generator * w))
        elif i == layer:
            out.append(vec(-(w * generator)))
        else:
            out.append(zeros(w.nrows() * w.ncols(), 1))
    return vstack(*out)


def check_member(
    network: LinearNetwork, singular: Spectrum, member: LocusComponent, extra: int, seed: int
) -> str | None:
    """Return what is wrong with one family, or None if its witness confirms every claim.

    `extra` is the number of weights that the effective problem does not see.
    """
    loss, weights = witness(network, singular, member, seed)
    found = classify(network, loss, weights)
    report = found.certificate.check()
    if not report.ok:
        return f"the witness is refused: {report.lines[0]}"
    if (found.nature, found.kind) != (member.nature, member.kind):
        return f"the witness is {found.kind}, {found.nature}, not {member.kind}, {member.nature}"
    if network.weight_count <= _FACTORED_UP_TO:
        inertia = ldlt(full_hessian(network, loss, weights)).inertia.padded(extra)
        if inertia != member.inertia:
            return f"the Hessian has inertia {tuple(inertia)}, not {tuple(member.inertia)}"
    product = network.end_to_end(weights)
    size = orbit_dimension(weights, product, loss.gradient(product))
    if size + member.choice.dimension + extra != member.dimension:
        return f"the family has dimension {size} over its end-to-end matrix, not as stated"
    return None


def check_locus(locus: CriticalLocus, most: int = 60, seed: int = 0) -> list[str]:
    """Check spectrum and families of a locus; return lines, the last of which starts with
    "refused" if something is wrong.

    Parameters
    ----------
    most : how many families to check; of more, a seeded sample is taken, and the line says so
    """
    if locus.spectrum is None:
        return ["the loss is constant"]
    lines = locus.spectrum.check()
    if any(line.startswith("refused") for line in lines):
        return lines
    network = locus.reduction.network
    extra = locus.network.weight_count - network.weight_count
    members = [*locus.components, *locus.inner]
    chosen = members if len(members) <= most else Random(seed).sample(members, most)
    for member in chosen:
        wrong = check_member(network, locus.spectrum, member, extra, seed)
        if wrong is not None:
            return [*lines, f"refused: {member.choice.label}, {member.strings}: {wrong}"]
    counted = f"{len(chosen)} of {len(members)}" if len(chosen) < len(members) else len(members)
    lines.append(f"{counted} families confirmed by exact witnesses: label, Hessian, dimension")
    return lines

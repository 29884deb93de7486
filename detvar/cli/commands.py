"""Commands on exact problems: they read, call the library, and hand an answer back.

What is heavy is imported inside, so that ``detvar --help`` is quick.
"""

from __future__ import annotations

import argparse
import os
import re
from typing import Any

from detvar.cli.answer import DONE, INTERRUPTED, REFUTED, UNDECIDED, Answer, save
from detvar.errors import InputError

_LARGEST = 10**6


def _network(text: str) -> Any:
    from detvar.networks import LinearNetwork

    network = LinearNetwork.parse(text)
    if max(network.widths) > _LARGEST or network.depth >= 1000:
        raise InputError(
            f"the network is too large: give fewer than 1000 layers and widths up to {_LARGEST}"
        )
    return network


def info(args: argparse.Namespace) -> Answer:
    """Describe a linear network."""
    from detvar.show import describe_network, network_text

    data = describe_network(_network(args.network))
    return Answer(network_text(data), data)


def variety(args: argparse.Namespace) -> Answer:
    """Describe a determinantal variety."""
    from detvar.show import describe_variety, variety_text
    from detvar.varieties import DeterminantalVariety

    m = re.fullmatch(r"([0-9]{1,7})[x×X*]([0-9]{1,7})", args.shape)
    if not m or max(int(m[1]), int(m[2])) > _LARGEST:
        raise InputError(f'the shape "{args.shape}" is not rows x columns: write it as 4x4')
    rows, columns = int(m[1]), int(m[2])
    if args.rank > min(rows, columns):
        raise InputError(
            f"--rank {args.rank} is larger than a {rows}×{columns} matrix can have: "
            f"give a rank from 0 to {min(rows, columns)}"
        )
    data = describe_variety(DeterminantalVariety(rows, columns, args.rank))
    return Answer(variety_text(data), data)


def classify(args: argparse.Namespace) -> Answer:
    """Say what one weight vector is: not critical, a minimum, which saddle, and why."""
    from detvar.classify import classify
    from detvar.networks.problem import read_problem

    problem = read_problem(args.file, need_weights=True)
    result = classify(problem.network, problem.loss, problem.weights)
    undecided = result.nature in ("undecided", "degenerate")
    shown: Any = result.explain() if args.explain else result
    data = result.to_json() | ({"explanation": shown.to_json()} if args.explain else {})
    text = shown.to_latex() if args.latex else str(shown)
    return Answer(text, data, UNDECIDED if undecided else DONE)


def solve(args: argparse.Namespace) -> Answer:
    """Find every component of the critical locus of a problem, with labels."""
    from detvar.show.files import require_writable

    if args.output is not None:
        require_writable(args.output)
        if args.file not in (None, "-") and _same_file(args.file, args.output):
            raise InputError("--output is the problem file itself: give another name")
    problem = _problem(args)

    from detvar.critical import critical_locus

    effective = problem.loss.reduce(problem.network).loss
    if effective is not None and effective.kronecker() is None:
        return _points(problem.network, problem.loss, args)
    locus = critical_locus(problem.network, problem.loss)
    report = locus.check()
    data = locus.to_json()
    if args.output is not None:
        save(args.output, data)
    if report.ok:
        return Answer(locus.to_latex() if args.latex else str(locus), data)
    failed = "\n".join(["", "THE RESULT FAILED ITS OWN CHECK", *report.lines])
    return Answer(str(locus) + failed, data, REFUTED)


def points(args: argparse.Namespace) -> Answer:
    """Find every critical point of a loss on the matrices of bounded rank."""
    from detvar.networks.problem import read_problem
    from detvar.show.files import require_writable
    from detvar.varieties import DeterminantalVariety

    if args.output is not None:
        require_writable(args.output)
    problem = read_problem(args.file)
    space = problem.network.function_space
    where: Any = problem.network
    if args.rank is not None:
        if args.rank > space.rank:
            raise InputError(
                f"--rank {args.rank} is larger than this network allows: give at most {space.rank}"
            )
        where = DeterminantalVariety(space.rows, space.columns, args.rank)
    return _points(where, problem.loss, args)


def _points(where: Any, loss: Any, args: argparse.Namespace) -> Answer:
    """The answer of `points`, and of `solve` where there is no closed form."""
    from detvar.critical import CertifiedPoints, critical_points

    found = critical_points(where, loss, seed=args.seed, budget=args.budget)
    data = found.to_json()
    if args.output is not None:
        save(args.output, data)
    if isinstance(found, CertifiedPoints):
        text = (found.to_latex if args.latex else found.text)(args.all_complex)
    else:
        text = found.to_latex() if args.latex else str(found)
    stopped = isinstance(found, CertifiedPoints) and any(x.was_interrupted for x in found.reports)
    known = found.has_every_minimum if isinstance(found, CertifiedPoints) else found.is_complete
    code = INTERRUPTED if stopped else DONE if known else UNDECIDED
    return Answer(text, data, code)


def _problem(args: argparse.Namespace) -> Any:
    """The problem of `solve`: from a file or an example, with the widths of --network if given."""
    from detvar.networks.problem import Problem, read_problem, require_fit
    from detvar.show import load_example

    network = None if args.network is None else _network(args.network)
    if args.example is not None:
        return load_example(args.example, None if network is None else network.widths)
    problem = read_problem(args.file)
    if network is None:
        return problem
    require_fit(problem.loss, network)
    return Problem(network, problem.loss)


def _same_file(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return False


def equations(args: argparse.Namespace) -> Answer:
    """Write the critical equations of a problem out, to read or for another system."""
    from detvar.critical.symbolic import critical_equations, problem_of
    from detvar.exact.strict_json import parse_json, read_text

    obj = parse_json(*read_text(args.file), whole=("network", "loss.exponent", "loss.shape"))
    network, loss = problem_of(obj)
    form = args.form.replace("-", "_")
    eqs = critical_equations(network, loss, form, args.rank, multipliers=args.multipliers)
    if args.task is not None and args.format in ("text", "latex", "msolve"):
        raise InputError(f"--task has no meaning for --format {args.format}: leave it out")
    ways = {"text": eqs.__str__, "latex": eqs.to_latex}
    text = ways[args.format]() if args.format in ways else eqs.export(args.format, args.task)
    return Answer(text.rstrip("\n"), {**eqs.to_json(), "format": args.format, "text": text})


def discriminant(args: argparse.Namespace) -> Answer:
    """Find where the real critical points change, for data with a parameter t in them."""
    from detvar.critical.discriminants import discriminant, path_of
    from detvar.exact.strict_json import parse_json, read_text

    obj = parse_json(*read_text(args.file), whole=("network", "loss.exponent", "loss.shape"))
    path, bound = path_of(obj, args.parameter)
    found = discriminant(
        path,
        interval=(args.low, args.high),
        rank=bound if args.rank is None else args.rank,
        method=args.method,
        samples=args.samples,
        width=args.width,
        seed=args.seed,
        budget=args.budget,
    )
    return Answer(str(found), found.to_json(), DONE if found.is_proved else UNDECIDED)


def check(args: argparse.Namespace) -> Answer:
    """Check a saved result again, by a second route."""
    from detvar.exact.strict_json import parse_json, read_text

    text, label = read_text(args.file)
    data = parse_json(text, label, floats=True)

    ok, lines = _checked(data)
    head = "checked: it holds" if ok else "REFUTED: it does not hold"
    answer = {
        "kind_of_result": "check",
        "checked": data["kind_of_result"],
        "answer": ok,
        "reason": lines,
    }
    return Answer("\n".join([head, *lines]), answer, DONE if ok else REFUTED)


def _checked(data: Any) -> tuple[bool, list[str]]:
    kind = data.get("kind_of_result") if isinstance(data, dict) else None
    if kind == "float_verdict":
        from detvar.cli.trained import check_verdict

        return check_verdict(data)
    if kind == "landscape_certificate":
        from detvar.cli.landscapes import check_certificate

        return check_certificate(data)
    from detvar.critical import check_result

    report = check_result(data)
    return report.ok, list(report.lines)

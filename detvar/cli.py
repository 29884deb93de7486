"""The command line: `detvar …`, the same as `python -m detvar …`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from detvar import __version__
from detvar.errors import (
    DetvarError,
    IncompleteError,
    InputError,
    MissingExtraError,
    NotCertifiedError,
    PositiveDimensionalError,
)

DONE, REFUTED, BAD_INPUT, UNDECIDED, MISSING_PART, DEFECT, INTERRUPTED = 0, 1, 2, 3, 4, 70, 130
_LARGEST = 10**6

_EPILOG = """\
A problem file is one JSON object; numbers are integers, or text such as "1/3" or "0.25":
  {"network": [2, 1, 2],
   "loss": {"type": "weighted", "target": [[1, 0], [0, "1/2"]], "weights": [[1, 3], [3, 1]]},
   "weights": [[[1, 0]], [[1], [0]]]}
Losses: squared X Y, weighted target weights, quadratic target form, power target exponent,
logistic X trials positives, softmax X counts, exponential X labels, pseudo_huber X Y delta,
log_cosh X Y. For the last five, points at infinity (separable data) are reported, not listed.
FILE may be - for standard input.

Exit codes: 0 done and proved, 1 refuted or a failed check, 2 usage or bad input, 3 undecided,
4 an optional part is missing, 70 a defect of detvar, 130 interrupted."""


@dataclass(frozen=True)
class Answer:
    """What a command has to say: as text, as data, and as an exit code."""

    text: str
    data: dict[str, Any]
    code: int = DONE


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence and what to type next."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}: type  {self.prog} --help")


# --- commands: what is heavy is imported inside ---------------------------------------------------


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
        _save(args.output, data)
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
        _save(args.output, data)
    if isinstance(found, CertifiedPoints):
        text = (found.to_latex if args.latex else found.text)(args.all_complex)
    else:
        text = found.to_latex() if args.latex else str(found)
    stopped = isinstance(found, CertifiedPoints) and any(x.was_interrupted for x in found.reports)
    known = found.has_every_minimum if isinstance(found, CertifiedPoints) else found.is_complete
    code = INTERRUPTED if stopped else DONE if known else UNDECIDED
    return Answer(text, data, code)


def _save(path: str, data: dict[str, Any]) -> None:
    from detvar.show.files import write_text

    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    _hint(f"written to {path}; check it with  detvar check {path}")


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


def optimality(args: argparse.Namespace) -> Answer:
    """Say how far trained weights are from a global minimum of the squared loss."""
    from detvar.optimality import assess, read_data, read_weights
    from detvar.optimality.data import check_data

    weights = read_weights(args.weights, order=args.order and args.order.split(","))
    data = read_data(args.data, inputs=args.inputs)
    if weights.bias:
        raise InputError(
            "the weights have biases, whose least value is not known here: train without biases on "
            "centred data, and give those"
        )
    check_data(weights, data)
    found = assess(weights.arrays, data.x, data.y, args.tolerance)
    text = "\n".join([str(found), *(f"  {remark}" for remark in weights.remarks)])
    code = {True: DONE, False: REFUTED, None: UNDECIDED}[found.answer]
    return Answer(text, found.to_json(), code)


def check(args: argparse.Namespace) -> Answer:
    """Check a saved result again, by a second route."""
    from detvar.exact.strict_json import parse_json, read_text

    text, label = read_text(args.file)
    data = parse_json(text, label, floats=True)

    from detvar.critical import check_result

    report = check_result(data)
    head = "checked: it holds" if report.ok else "REFUTED: it does not hold"
    answer = {
        "kind_of_result": "check",
        "checked": data["kind_of_result"],
        "answer": report.ok,
        "reason": list(report.lines),
    }
    return Answer("\n".join([head, *report.lines]), answer, DONE if report.ok else REFUTED)


# --- the parser -----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--debug", action="store_true", help="show a traceback on errors")
    parser = _Parser(
        prog="detvar",
        description="Exact geometry of linear networks: critical points and what they are.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"detvar {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_Parser
    )

    def command(run: Callable[[argparse.Namespace], Answer], example: str) -> Any:
        what = (run.__doc__ or "").strip()
        sub = commands.add_parser(
            run.__name__,
            parents=[common],
            help=what[0].lower() + what[1:].rstrip("."),
            description=what,
            epilog=f"Example:  detvar {example}",
            allow_abbrev=False,
        )
        sub.set_defaults(run=run)
        return sub

    def tracking(sub: Any) -> None:
        """The options for losses that have no closed form."""
        sub.add_argument("--all-complex", action="store_true", help="list complex points too")
        sub.add_argument("--seed", type=_rank, default=0, metavar="N", help="of the random start")
        sub.add_argument(
            "--budget", type=_seconds, default=60.0, metavar="S", help="seconds (default: 60)"
        )
        latex(sub)

    def latex(sub: Any) -> None:
        sub.add_argument("--latex", action="store_true", help="print LaTeX instead of plain text")

    sub = command(info, "info 3-2-3")
    sub.add_argument("network", metavar="WIDTHS", help="widths from input to output, such as 3-2-3")

    sub = command(variety, "variety 4x4 --rank 2")
    sub.add_argument("shape", metavar="SHAPE", help="rows x columns, such as 4x4")
    sub.add_argument("--rank", type=_rank, required=True, metavar="R", help="the largest rank")

    sub = command(classify, "classify problem.json")
    sub.add_argument("file", metavar="FILE", help="a problem with weights, or - for standard input")
    sub.add_argument("--explain", action="store_true", help="derive the answer, step by step")
    latex(sub)

    sub = command(solve, "solve --example linnerud --output result.json")
    source = sub.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "file", metavar="FILE", nargs="?", help="a problem, or - for standard input"
    )
    source.add_argument("--example", metavar="NAME", help="linnerud, cone, three-minima or quartic")
    sub.add_argument("--network", metavar="WIDTHS", help="use these widths, such as 3-1-3")
    sub.add_argument("--output", metavar="RESULT", help="write the result to this file as JSON")
    tracking(sub)

    sub = command(points, "points problem.json")
    sub.add_argument("file", metavar="FILE", help="a problem, or - for standard input")
    sub.add_argument("--rank", type=_rank, metavar="R", help="a smaller bound on the rank")
    sub.add_argument("--output", metavar="RESULT", help="write the result to this file as JSON")
    tracking(sub)

    sub = command(equations, "equations problem.json --form chart --format macaulay2")
    sub.add_argument("file", metavar="FILE", help="a problem, or -; its data may be names")
    sub.add_argument(
        "--form",
        type=lambda text: text.replace("_", "-"),
        choices=("weights", "function-space", "chart"),
        default="weights",
        help="the unknowns: weights (default), W, or A and B with W = [I; A]B",
    )
    sub.add_argument(
        "--format",
        choices=("text", "latex", "macaulay2", "singular", "msolve", "julia", "sympy"),
        default="text",
        help="what to write (default: text)",
    )
    sub.add_argument("--rank", type=_rank, metavar="R", help="rank of W; weights: default any")
    sub.add_argument(
        "--multipliers", choices=("kernel", "minors"), help="for the form function-space"
    )
    sub.add_argument(
        "--task",
        choices=("ideal", "degree", "components"),
        help="what the script computes; by default by its size",
    )

    sub = command(discriminant, "discriminant path.json --from 1 --to 4")
    sub.add_argument("file", metavar="FILE", help='a problem with text such as "1+3*t", or -')
    sub.add_argument("--parameter", metavar="T", default="t", help="its name (default: t)")
    sub.add_argument("--from", dest="low", metavar="LOW", help="begin here (default: -infinity)")
    sub.add_argument("--to", dest="high", metavar="HIGH", help="end here (default: infinity)")
    sub.add_argument("--rank", type=_rank, metavar="R", help="a smaller rank")
    sub.add_argument("--method", choices=("elimination", "bisection"), help="instead of the best")
    sub.add_argument("--samples", type=_rank, default=9, metavar="N", help="bisection: begin with")
    sub.add_argument("--width", metavar="D", help="bisection: of the brackets")
    sub.add_argument("--seed", type=_rank, default=0, metavar="N", help="of the random start")
    sub.add_argument(
        "--budget", type=_seconds, default=60.0, metavar="S", help="seconds for each value"
    )

    sub = command(optimality, "optimality weights.safetensors --data data.npz")
    sub.add_argument("weights", metavar="WEIGHTS", help=".npz, .safetensors or .pt: W_1, …, W_h")
    sub.add_argument("--data", required=True, metavar="FILE", help=".npz with x and y, or .csv")
    sub.add_argument("--inputs", type=_rank, metavar="N", help="the first N columns are x")
    sub.add_argument("--order", metavar="NAMES", help="of the layers, from the input: 0,2,4")
    sub.add_argument("--tolerance", type=float, default=1e-10, metavar="T", help="of the loss at 0")

    sub = command(check, "check result.json")
    sub.add_argument("file", metavar="RESULT", help="a saved result, or - for standard input")
    return parser


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return float(text)


def _rank(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


# --- printing and errors --------------------------------------------------------------------------


def _hint(message: str) -> None:
    from detvar.exact.text import one_line

    print(f"detvar: {one_line(message)}", file=sys.stderr)


def _print(text: str) -> None:
    """Print `text`; a reader who has left early, as `head` does, is no error."""
    if sys.stdout is None:
        return
    try:
        try:
            print(text, flush=True)
        except UnicodeEncodeError:  # a terminal that knows no ×
            encoding = sys.stdout.encoding or "ascii"
            print(text.encode(encoding, "replace").decode(encoding), flush=True)
    except BrokenPipeError:
        # Python flushes once more at exit; let that go nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as e:
        raise InputError(f"the answer cannot be written ({e.strerror or e})") from None


def _fault(e: BaseException) -> tuple[str, int]:
    """The sentence and the exit code for an exception."""
    if isinstance(e, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(e, MissingExtraError):
        return str(e), MISSING_PART
    if isinstance(e, NotCertifiedError):
        return str(e), REFUTED
    if isinstance(e, (IncompleteError, PositiveDimensionalError)):
        return str(e), UNDECIDED
    if isinstance(e, DetvarError):
        return str(e), BAD_INPUT
    if isinstance(e, ModuleNotFoundError) and not (e.name or "").startswith("detvar"):
        return (
            f"this needs {e.name}, which is not installed: type  pip install {e.name}",
            MISSING_PART,
        )
    if isinstance(e, MemoryError):
        return "the memory ran out before an answer was reached: try a smaller problem", UNDECIDED
    what = f"{type(e).__name__}: {e}".rstrip(": ")
    return f"this is a defect of detvar ({what}): run it again with --debug and report it", DEFECT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``detvar``; by default those of the process.

    Examples
    --------
    >>> main(["variety", "2x2", "--rank", "3"])  # the sentence goes to standard error
    2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser().parse_args(words)
        answer: Answer = args.run(args)
        _print(json.dumps(answer.data, allow_nan=False) if args.json else answer.text)
        return answer.code
    except SystemExit as e:  # --help and --version
        return int(e.code or 0)
    except (Exception, KeyboardInterrupt) as e:
        if "--debug" in words:
            import traceback

            traceback.print_exc()
        message, code = _fault(e)
        _hint(message)
        return code


if __name__ == "__main__":
    sys.exit(main())

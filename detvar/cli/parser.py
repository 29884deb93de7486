"""The words of the command line and what they mean."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from detvar import __version__
from detvar.cli.answer import Answer
from detvar.cli.commands import (
    check,
    classify,
    discriminant,
    equations,
    info,
    points,
    solve,
    variety,
)
from detvar.cli.landscapes import prove, region
from detvar.cli.trained import optimality
from detvar.errors import InputError

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


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence and what to type next."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}: type  {self.prog} --help")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
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

    def command(
        run: Callable[[argparse.Namespace], Answer], example: str, family: Any = commands
    ) -> Any:
        what = (run.__doc__ or "").strip()
        sub = family.add_parser(
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
    sub.add_argument(
        "--data",
        required=True,
        nargs="+",
        metavar="FILE",
        help=".npz with x and y, or .csv; or two .npy files, x and y, read in pieces",
    )
    sub.add_argument("--inputs", type=_rank, metavar="N", help="the first N columns are x")
    sub.add_argument("--order", metavar="NAMES", help="of the layers, from the input: 0,2,4")
    sub.add_argument("--tolerance", type=float, default=1e-10, metavar="T", help="of the loss at 0")
    sub.add_argument("--escape", metavar="FILE", help="write better weights to this .npz file")

    what = "the alpha-beta-condition: regions of training runs, and proofs"
    family = commands.add_parser("landscape", help=what, description=what, allow_abbrev=False)
    landscape = family.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_Parser
    )

    sub = command(region, "landscape region trace.npz --plot region.png", landscape)
    sub.add_argument("file", metavar="TRACE", help="an .npz file that a recording has saved")
    sub.add_argument(
        "--delta-min", default="0.1", metavar="D", help="least alpha - beta (default: 0.1)"
    )
    sub.add_argument("--plot", metavar="FILE", help="draw the region: .png, .svg or .pdf")

    sub = command(prove, "landscape prove problem.json", landscape)
    sub.add_argument(
        "file", metavar="FILE", help='{"example": "ex6", "alpha": "21", "beta": "20"}, or terms'
    )
    sub.add_argument("--output", metavar="RESULT", help="write the certificate as JSON")
    latex(sub)

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

"""Commands on the α-β-condition: `detvar landscape region` and `detvar landscape prove`."""

from __future__ import annotations

import argparse
from typing import Any

from detvar.cli.answer import DONE, REFUTED, UNDECIDED, Answer, save


def region(args: argparse.Namespace) -> Answer:
    """Find all feasible (alpha, beta) of a recorded training run."""
    from detvar.landscape.region_report import region_report
    from detvar.show.files import require_writable

    if args.plot is not None:
        require_writable(args.plot)
    text, data = region_report(args.file, args.delta_min)
    if args.plot is not None:
        _plot(args)
    return Answer(text, data, REFUTED if data["is_empty"] else DONE)


def _plot(args: argparse.Namespace) -> None:
    from detvar.errors import MissingExtraError
    from detvar.landscape.region import Region
    from detvar.landscape.triples import Triples

    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ModuleNotFoundError:
        raise MissingExtraError("matplotlib", "plot") from None
    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    Region.from_triples(Triples.load(args.file), delta_min=args.delta_min).plot(axes)
    figure.savefig(args.plot, dpi=150)


def prove(args: argparse.Namespace) -> Answer:
    """Prove that the alpha-beta-condition holds everywhere, or find a point where it fails."""
    from detvar.landscape.prove import read_landscape_problem
    from detvar.show.files import require_writable

    if args.output is not None:
        require_writable(args.output)
    found = read_landscape_problem(args.file).prove()
    data = found.to_json()
    if args.output is not None:
        save(args.output, data)
    code = {True: DONE, False: REFUTED, None: UNDECIDED}[found.answer]
    return Answer(found.to_latex() if args.latex else str(found), data, code)


def check_certificate(data: dict[str, Any]) -> tuple[bool, list[str]]:
    """Verify a saved proof or refutation in rational numbers and balls."""
    from detvar.landscape.prove import Certificate

    found = Certificate.from_json(data)
    ok = found.verify()
    if found.answer is None:
        return ok, ["the certificate is undecided: there is nothing to verify"]
    return ok, [str(found), f"the certificate {'verifies' if ok else 'DOES NOT VERIFY'}"]

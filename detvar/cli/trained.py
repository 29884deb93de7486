"""Commands on trained weights: floating-point numbers from files."""

from __future__ import annotations

import argparse
from typing import Any, TypeGuard

from detvar.cli.answer import DONE, REFUTED, UNDECIDED, Answer, hint
from detvar.errors import InputError

_BATCH = 4096
_READING = ("weights", "data", "order", "inputs")


def optimality(args: argparse.Namespace) -> Answer:
    """Say whether trained weights are at a global minimum, and how far from it, proved."""
    from detvar.show.files import require_writable

    if args.escape is not None:
        require_writable(args.escape)
        if not args.escape.endswith(".npz"):
            raise InputError(f"--escape {args.escape} is no .npz file: write it as better.npz")
    weights = _weights(args)
    found = _verdict(args, weights)
    text = [str(weights), str(found), *(f"  {remark}" for remark in weights.remarks)]
    said = found.to_json() | {"network": list(weights.widths), "remarks": list(weights.remarks)}
    said["reading"] = {name: getattr(args, name) for name in _READING}
    said["reading"]["sha256"] = weights.sha256
    if args.escape is not None and found.answer is not True:
        words = _escape(args, weights)
        text.append(f"  {words}")
        said["escape"] = words
    code = {True: DONE, False: REFUTED, None: UNDECIDED}[found.answer]
    return Answer("\n".join(text), said, code)


def check_verdict(data: dict[str, Any]) -> tuple[bool, list[str]]:
    """Verify a saved verdict from the files that it names: all again, and the gap by moments."""
    from detvar.optimality import FloatVerdict, batches, gap, moments

    saved = FloatVerdict.from_json(data)
    reading = data.get("reading")
    if not _is_reading(reading):
        raise InputError(
            "this verdict does not name its files: save one with  detvar optimality … --json"
        )
    args = argparse.Namespace(tolerance=saved.tolerance, **{n: reading[n] for n in _READING})
    weights = _weights(args)
    lines = []
    if weights.sha256 != reading["sha256"]:
        return False, [f"{args.weights} is not the file of the verdict: its digest is another"]
    lines.append(f"{args.weights} has the digest of the verdict")
    again = _verdict(args, weights)
    held = [again.answer is saved.answer and again.tier == saved.tier]
    lines.append(f"computed again: {'the same answer' if held[0] else 'ANOTHER ANSWER'}")
    second = gap(weights, moments(batches(_data(args)[0])))
    for name, route in (("computed again", again.gap), ("from moments of the data", second.gap)):
        if saved.gap is not None and route is not None:
            meet = max(saved.gap[0], route[0]) <= min(saved.gap[1], route[1])
            held.append(meet)
            lines.append(f"the gap {name} {'agrees' if meet else 'DISAGREES'}")
    return all(held), lines


def _is_reading(x: Any) -> TypeGuard[dict[str, Any]]:
    """Say whether a saved verdict names its files as `optimality` writes them."""
    if not isinstance(x, dict) or not {*_READING, "sha256"} <= set(x):
        return False
    files = x["data"]
    return (
        isinstance(x["weights"], str)
        and isinstance(files, list)
        and bool(files)
        and all(isinstance(name, str) for name in files)
        and isinstance(x["order"], (str, type(None)))
        and isinstance(x["inputs"], (int, type(None)))
    )


def _weights(args: argparse.Namespace) -> Any:
    from detvar.optimality import read_weights

    return read_weights(args.weights, order=args.order and args.order.split(","))


def _verdict(args: argparse.Namespace, weights: Any) -> Any:
    from detvar.homotopy.progress import ProgressLine
    from detvar.optimality import check_global_minimum

    with ProgressLine() as line:
        data, total = _data(args)

        def show(samples: int) -> None:
            line.update(f"{samples}{total} samples")

        return check_global_minimum(None, data, weights, tolerance=args.tolerance, progress=show)


def _data(args: argparse.Namespace) -> tuple[Any, str]:
    """The samples: in memory from one file, or batch by batch from two .npy files."""
    from detvar.optimality import batches, read_data

    if len(args.data) == 1:
        return read_data(args.data[0], inputs=args.inputs), ""
    if len(args.data) > 2 or not all(name.endswith(".npy") for name in args.data):
        raise InputError("--data takes one file, or two .npy files: the inputs and the targets")
    if args.inputs is not None:
        raise InputError("--inputs has no meaning for two files: leave it out")
    return batches(tuple(args.data), _BATCH), _of(args.data[0])


def _of(path: str) -> str:
    """The number of samples that a .npy file announces, as "/60000"; unreadable files say why
    when their batches are read."""
    import numpy as np

    try:
        return f"/{len(np.load(path, mmap_mode='r', allow_pickle=False))}"
    except (OSError, ValueError, TypeError):
        return ""


def _escape(args: argparse.Namespace, weights: Any) -> str:
    import numpy as np

    from detvar.optimality import escape

    found = escape(None, _data(args)[0], weights)
    if found is None:
        return "no better weights were found"
    with open(args.escape, "wb") as file:
        np.savez(file, **_named(found.weights, weights))
    hint(f"better weights are written to {args.escape}")
    return str(found)


def _named(layers: Any, like: Any) -> dict[str, Any]:
    """Weights and biases under the names W_1, b_1, …, which `read_weights` takes."""
    out = {}
    for i, (w, shape, b) in enumerate(
        zip(layers, (m.shape for m in like.matrices), like.offsets, strict=True), 1
    ):
        out[f"W_{i}"] = w[: shape[0], : shape[1]]
        if b is not None:
            out[f"b_{i}"] = w[: shape[0], -1]
    return out

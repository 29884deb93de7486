"""Commands on trained weights: floating-point numbers from files."""

from __future__ import annotations

import argparse

from detvar.cli.answer import DONE, REFUTED, UNDECIDED, Answer
from detvar.errors import InputError


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

"""What a reader sees: sentences, tables, examples, files."""

from detvar.exact.text import html_table, text_table
from detvar.show.describe import (
    describe_network,
    describe_variety,
    network_text,
    variety_text,
)
from detvar.show.examples import example_data, example_names, load_example

__all__ = [
    "describe_network",
    "describe_variety",
    "example_data",
    "example_names",
    "html_table",
    "load_example",
    "network_text",
    "text_table",
    "variety_text",
]

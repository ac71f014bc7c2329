"""Tables and pictures of results files."""

from ibjax.report.bibliography import bibliography, entries
from ibjax.report.formats import csv, frame, latex, markdown, write_table
from ibjax.report.looseness import Reasons, why
from ibjax.report.memory import (
    HEADS,
    classes_table,
    examples,
    examples_table,
    memory,
    memory_figure,
    remembered_classes,
    remembered_examples,
)
from ibjax.report.picture import bounds_against_depth, errors_against_depth, figure
from ibjax.report.summary import Row, Summary, headlines, summarise
from ibjax.report.table import table

__all__ = [
    "HEADS",
    "Reasons",
    "Row",
    "Summary",
    "bibliography",
    "bounds_against_depth",
    "classes_table",
    "csv",
    "entries",
    "errors_against_depth",
    "examples",
    "examples_table",
    "figure",
    "frame",
    "headlines",
    "latex",
    "markdown",
    "memory",
    "memory_figure",
    "remembered_classes",
    "remembered_examples",
    "summarise",
    "table",
    "why",
    "write_table",
]

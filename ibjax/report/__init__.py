"""Tables and pictures of results files."""

from ibjax.report.axes import check_axis
from ibjax.report.bibliography import bibliography, entries
from ibjax.report.formats import csv, frame, latex, markdown, write_table
from ibjax.report.looseness import Reasons, why
from ibjax.report.memory import (
    CLASS_HEADS,
    HEADS,
    classes,
    classes_table,
    examples,
    examples_table,
    memory,
    memory_figure,
    remembered_classes,
    remembered_examples,
)
from ibjax.report.moments import stored
from ibjax.report.picture import (
    MOST_PANELS,
    bounds_against,
    bounds_against_depth,
    errors_against,
    errors_against_depth,
    figure,
    panels,
)
from ibjax.report.summary import Row, Summary, checkpoints, headlines, summaries, summarise
from ibjax.report.table import table

__all__ = [
    "CLASS_HEADS",
    "HEADS",
    "MOST_PANELS",
    "Reasons",
    "Row",
    "Summary",
    "bibliography",
    "bounds_against",
    "bounds_against_depth",
    "check_axis",
    "checkpoints",
    "classes",
    "classes_table",
    "csv",
    "entries",
    "errors_against",
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
    "panels",
    "remembered_classes",
    "remembered_examples",
    "stored",
    "summaries",
    "summarise",
    "table",
    "why",
    "write_table",
]

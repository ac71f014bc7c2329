"""Tables and pictures of results files."""

from ibjax.report.axes import check_axis
from ibjax.report.bibliography import bibliography, entries
from ibjax.report.formats import csv, frame, latex, markdown, write_table
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
    "MOST_PANELS",
    "Row",
    "Summary",
    "bibliography",
    "bounds_against",
    "bounds_against_depth",
    "check_axis",
    "checkpoints",
    "csv",
    "entries",
    "errors_against",
    "errors_against_depth",
    "figure",
    "frame",
    "headlines",
    "latex",
    "markdown",
    "panels",
    "stored",
    "summaries",
    "summarise",
    "table",
    "write_table",
]

"""Tables and pictures of results files."""

from ibjax.report.picture import bounds_against_depth as bounds_against_depth
from ibjax.report.picture import errors_against_depth as errors_against_depth
from ibjax.report.picture import figure as figure
from ibjax.report.summary import Row as Row
from ibjax.report.summary import Summary as Summary
from ibjax.report.summary import summarise as summarise
from ibjax.report.table import table as table

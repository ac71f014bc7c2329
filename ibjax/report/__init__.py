"""Tables and pictures of results files."""

from ibjax.report.bibliography import bibliography as bibliography
from ibjax.report.bibliography import entries as entries
from ibjax.report.formats import csv as csv
from ibjax.report.formats import frame as frame
from ibjax.report.formats import latex as latex
from ibjax.report.formats import markdown as markdown
from ibjax.report.formats import write_table as write_table
from ibjax.report.picture import bounds_against_depth as bounds_against_depth
from ibjax.report.picture import errors_against_depth as errors_against_depth
from ibjax.report.picture import figure as figure
from ibjax.report.summary import Row as Row
from ibjax.report.summary import Summary as Summary
from ibjax.report.summary import headlines as headlines
from ibjax.report.summary import summarise as summarise
from ibjax.report.table import table as table

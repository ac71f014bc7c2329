"""Arrays from the files people give on the command line."""

from ibjax.archives import LIMIT as LIMIT
from ibjax.archives import archive as archive
from ibjax.archives import array as array

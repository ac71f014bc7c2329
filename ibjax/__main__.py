"""``python -m ibjax`` is the command line."""

import sys

from ibjax.cli import main

if __name__ == "__main__":
    sys.exit(main())

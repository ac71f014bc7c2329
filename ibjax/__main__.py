"""``python -m ibjax`` is the command line."""

from ibjax.cli import process

if __name__ == "__main__":
    process()

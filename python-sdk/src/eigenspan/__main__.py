"""`python -m eigenspan` is the `eigenspan` command."""

from eigenspan.cli import main

main()

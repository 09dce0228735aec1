"""`python -m hanjul`: the command line."""

from hanjul.cli.main import main

main()

"""`python -m evaluator`: the command, where its script is not on the path."""

from evaluator.cli.commands import main

if __name__ == "__main__":
    main()

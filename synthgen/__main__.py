"""`python -m synthgen`: the command, where its script is not on the path."""

from synthgen.cli.commands import main

if __name__ == "__main__":
    main()

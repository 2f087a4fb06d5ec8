"""`python -m affect4d.cli`."""

from affect4d.cli import main

if __name__ == "__main__":
    main()

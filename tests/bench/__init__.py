"""The benchmark: `python -m tests.bench`, run by `make bench`."""

"""`python -m bench` asks every question; see `bench/run.py`."""

from bench.run import main

main()

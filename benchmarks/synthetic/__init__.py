"""Decides what a made-up organization looks like, from its size and a seed: see `benchmarks/org.py`."""

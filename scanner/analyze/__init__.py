"""Snapshot to findings. Pure: no network, clock, environment or randomness."""

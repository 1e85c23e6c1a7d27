"""Paths through assumed roles: who may enter which role, how far one gets, and the findings about it (R7)."""

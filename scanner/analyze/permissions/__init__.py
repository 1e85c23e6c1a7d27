"""Findings about what our own principals may do: foreign keys, broad statements, control by attributes."""

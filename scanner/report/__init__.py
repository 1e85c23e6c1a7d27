"""Findings to files. Renders what the analysis decided, never decides again."""

"""Layers combined into a verdict as AWS combines them, with every gate and check that led to it (R3.7)."""

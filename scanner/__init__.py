"""Who outside this account can actually use this KMS key?"""

__version__ = "0.1.0"

ENGINE = 1
"""Rises whenever the same snapshot and configuration could get another verdict."""

FINDINGS_SCHEMA = 1
"""Version of findings.json and of the CSV columns."""

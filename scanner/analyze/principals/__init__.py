"""Whom a document means: selectors, the identities behind them, whose they are, and who approved them."""

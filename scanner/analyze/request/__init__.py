"""One request: who asks, for what, and what each condition key holds in it."""

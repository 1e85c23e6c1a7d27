"""Other documents in the place of those that were read: what-if, and edits that are tried first."""

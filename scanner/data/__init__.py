"""Facts about AWS that no snapshot holds."""

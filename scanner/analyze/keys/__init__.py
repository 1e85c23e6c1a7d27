"""Findings about one key: everybody it names, judged, weighed and put into words."""

"""One SQLite file per run: verbatim answers as evidence, documents by hash, coverage. Never touches AWS."""

"""What became of findings since an earlier run, and which of them are accepted."""

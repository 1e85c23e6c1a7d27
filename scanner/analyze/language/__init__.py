"""Policy text to documents in which every statement keeps its lines and columns."""

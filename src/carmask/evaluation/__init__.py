"""Scores at the truth's own size, per image."""

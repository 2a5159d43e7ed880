"""The challenge's submission file: write, check, repair, score."""

"""Where the per-photo function runs."""

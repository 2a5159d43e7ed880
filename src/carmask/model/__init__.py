"""Model files: what a file says of itself, and networks that run it. Free of torch."""

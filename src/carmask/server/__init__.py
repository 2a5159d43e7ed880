"""The HTTP server: pages and API over the same per-photo function that a batch uses, in processes of their own."""

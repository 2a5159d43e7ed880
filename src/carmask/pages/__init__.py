"""HTML pages and pictures about data, scores and confidence."""

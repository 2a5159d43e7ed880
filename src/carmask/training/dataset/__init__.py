"""The photos that a training draws from, and how they are changed."""

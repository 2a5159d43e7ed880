"""Models in a runtime, and what they say of photos. Free of torch."""

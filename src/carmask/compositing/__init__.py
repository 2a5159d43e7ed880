"""The car in front of something else. Free of torch."""

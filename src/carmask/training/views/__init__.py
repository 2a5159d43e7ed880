"""Train the small network that tells views apart (``carmask.prediction.view``)."""

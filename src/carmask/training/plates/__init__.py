"""Train the small network that finds number plates (``carmask.prediction.plates``)."""

"""Whether the photos of a run are unlike those that a model was measured on, and which of them to correct."""

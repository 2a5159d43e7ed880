"""Corrections by hand: the queue of an output folder, edits of masks, the store, and rendering from what is stored."""

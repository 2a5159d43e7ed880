"""From a photo to its mask: stages, components, confidence. Free of torch."""

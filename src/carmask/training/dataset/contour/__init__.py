"""Windows along contours, with the map of a model beside them: what a refinement stage is trained on."""

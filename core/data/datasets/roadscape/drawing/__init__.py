"""Drawing street scenes with their labels: a pinhole camera, light, and the things that stand in a street."""

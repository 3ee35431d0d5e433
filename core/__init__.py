"""SegParity core: everything no framework decides. Imports numpy, OpenCV and PyYAML only."""

"""The backbones, one file per family."""

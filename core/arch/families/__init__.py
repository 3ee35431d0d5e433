"""The families, one file each: every number of an architecture, its presets, and all else that is known of it."""

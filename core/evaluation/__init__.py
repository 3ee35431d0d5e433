"""Scoring a network: `protocol` says how, `segmenting` does it for one picture, `scoring` for a split."""

"""Proof that the backends are equal: golden vectors of the originals, the alignment ladder, tolerances, the report.

Every framework runs in a process of its own; arrays travel as safetensors, and what compares them is numpy.
"""

"""Comparing anybody's port with what it was ported from: `python -m parity_tests compare` (docs/port_your_own.md).

`<framework>.py` has what a network of that framework is asked, whoever wrote it; `worker.py` is one side's process.
"""

"""Time and memory of the backends, beside the same networks from public packages: `python -m benchmarks`."""

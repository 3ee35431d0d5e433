"""The proof that the backends are one: golden vectors, the demonstration, tolerances, workers."""

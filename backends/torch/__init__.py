"""The zoo in PyTorch."""

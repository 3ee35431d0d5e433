"""A backend in a process of its own, asked through `core.process`: the network, its state, its logits, its trace."""

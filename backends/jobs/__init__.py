"""The jobs, once for all backends: command line and work; `backends/<name>/<job>.py` is the door to each."""

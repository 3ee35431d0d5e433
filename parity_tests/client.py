"""The ladder's side of `parity_tests.worker`."""

from core.process import BackendProcess


class Backend(BackendProcess):
    """A backend's process that also trains, breaks on purpose and shows its framework's habits."""

    serves = "parity_tests.worker"

"""The errors a user can cause. Every message names the file, key or tensor and what to do about it."""


class SegParityError(Exception):
    """Base of all expected errors; a command prints it as `error: …` and exits with status 2."""


class ConfigError(SegParityError):
    """A configuration file or override holds a wrong key, type or value."""


class SpecError(SegParityError):
    """An architecture specification is inconsistent, or an input does not fit it."""


class DataError(SegParityError):
    """A data set, image, label or list file is missing, corrupt or out of range."""


class SplitMissing(DataError):
    """Nothing of a data set's split is there: neither its list nor its folder."""


class CheckpointError(SegParityError):
    """A run directory or checkpoint cannot be used."""


class OutputError(SegParityError):
    """A result cannot be written: a full disk, a missing right, a file where a folder should be."""


class WeightsError(SegParityError):
    """A weight file cannot be read, or does not fit the network."""


class TrainingError(SegParityError):
    """Training cannot go on (a non-finite loss, a batch too small for batch norm, …)."""

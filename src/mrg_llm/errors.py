"""Everything that can go wrong, as one tree.

    MRGError
    ├── InputError              the user's input is wrong: the command line exits with 2
    │   ├── DataError           a data set, an annotation file or a study
    │   ├── ImageError          a file that cannot be read as a film
    │   │   └── UnfamiliarError  an image, but unlike the films that a model was trained on
    │   ├── SettingsError       a setting that does not exist or has a value it cannot have
    │   ├── CheckpointError     a run folder that is damaged or belongs to another model
    │   ├── ModelSourceError    an LLM or a vision encoder that cannot be had
    │   └── ResourceError       the disk is full, a file cannot be written
    ├── TrainingError           training had to stop: the command line exits with 1
    └── StoppedError            stopped by hand, after a checkpoint: the command line exits with 130

A message is one sentence or two for a person: what was given, what was expected, what to do. It never holds a
patient's value: no tag contents, no report text. Study ids and file paths may be named.
"""


class MRGError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class InputError(MRGError):
    """The user's input is wrong; the message says what to change."""

    exit_code = 2


class DataError(InputError):
    """A data set, an annotation file or a study is not what it should be."""


class ImageError(InputError):
    """A file cannot be read as a chest film."""


class UnfamiliarError(ImageError):
    """The image is unlike the films that the model was trained on: it abstains."""


class SettingsError(InputError):
    """A setting does not exist, or has a value it cannot have."""


class CheckpointError(InputError):
    """A run folder is incomplete, damaged, or was trained for another model."""


class ModelSourceError(InputError):
    """A language model or vision encoder cannot be had; the message says how to get it."""


class ResourceError(InputError):
    """The machine cannot do what was asked: the disk is full or a path cannot be written."""


class TrainingError(MRGError):
    """Training stopped before it could do harm (a loss that is not finite, for example)."""


class StoppedError(MRGError):
    """Ctrl-C or SIGTERM: a checkpoint was written, and the message says how to go on."""

    exit_code = 130

"""The exceptions whose messages are written for the person who runs the pipeline."""


class LoopbackError(Exception):
    """An error that the user can correct. The message is one or two sentences that say what to do."""


class SettingsError(LoopbackError):
    """A setting is unknown, of the wrong type or out of range. The message names its key."""


class DivergedError(LoopbackError):
    """A training whose loss is not finite any more. The message says what to lower."""


class BadLogError(LoopbackError):
    """The listening log cannot be found, read or used."""


class DownloadError(LoopbackError):
    """A log cannot be fetched: no mirror delivered the published file, or the place of a remote log is not reached."""


class ArtifactError(LoopbackError):
    """An artifact is missing, damaged or failed its checks."""


class RoomError(LoopbackError):
    """A step would take more memory or disk than there is. The message says how much, and what makes it less."""


class ListensError(LoopbackError):
    """The store of received listens cannot be read or written. The message says what to do; nothing was half-written."""


class RequestError(LoopbackError):
    """A request that cannot be answered, or a listen that cannot be kept. The message names what is wrong with it."""


class WorkersError(LoopbackError):
    """A training on several workers cannot be started, or its workers died too often. The message says what to do."""

"""The bundle: all that a request needs, in one folder."""

"""The generated log."""

from loopback_core.listens.sample.writing import SAMPLE_VERSION, write_sample

__all__ = ["SAMPLE_VERSION", "write_sample"]

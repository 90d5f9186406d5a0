"""From clean listens to train, validation and test in dense ids, with the catalogs known at the end of each."""

from loopback_core.splits.cut import TEST, TRAIN, VALIDATION
from loopback_core.splits.dataset import Splits
from loopback_core.splits.split import SplitSummary, split_listens

__all__ = ["TEST", "TRAIN", "VALIDATION", "SplitSummary", "Splits", "split_listens"]

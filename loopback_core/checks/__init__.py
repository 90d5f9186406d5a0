"""What must hold for every artifact before another is made from it.

Each check reads the artifact's files again, so that damage after publishing is found too.
"""

from loopback_core.checks.check import Check, Verdict, judge
from loopback_core.checks.registry import CHECKS, refuse_failed

__all__ = ["CHECKS", "Check", "Verdict", "judge", "refuse_failed"]

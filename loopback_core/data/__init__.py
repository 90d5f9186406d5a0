"""The plain data that every stage after the splits works on: events, catalog, ragged lists.

Ids are dense. Tracks, artists and users are numbered by the part in which they first occur: first those of train,
then those that first occur in validation, then those that first occur in test. So "known to train" is `id < n_train`,
"known at the end of validation" is `id < n_fit`: a catalog is a prefix of the ids, and nothing later is in it.
"""

from loopback_core.data.catalog import Catalog
from loopback_core.data.events import SECONDS_PER_DAY, SESSION_GAP, Events
from loopback_core.data.fit_data import FitData
from loopback_core.data.histories import Histories
from loopback_core.data.listens_by_user import ListensByUser
from loopback_core.data.ragged import ITEMS_PER_SORTED, Floats, Ids, Ragged, distinct_in_rows, stable_order
from loopback_core.data.ranking import NOTHING, Ranking

__all__ = [
    "ITEMS_PER_SORTED",
    "NOTHING",
    "SECONDS_PER_DAY",
    "SESSION_GAP",
    "Catalog",
    "Events",
    "FitData",
    "Floats",
    "Histories",
    "Ids",
    "ListensByUser",
    "Ragged",
    "Ranking",
    "distinct_in_rows",
    "stable_order",
]

"""The layouts of logs that are known: one file each, recognised by content."""

from loopback_core.listens.layouts.apple_music import AppleDailyTracks, ApplePlayActivity
from loopback_core.listens.layouts.deezer import DeezerWorkbook
from loopback_core.listens.layouts.delimited_text import DelimitedText
from loopback_core.listens.layouts.lastfm_csv import LastfmDates, LastfmDatesOnly, LastfmStatsCsv, LastfmUts
from loopback_core.listens.layouts.lastfm_json import LastfmPages, LastfmStatsJson, LastfmTracks
from loopback_core.listens.layouts.lastfm_lines import LastfmLines
from loopback_core.listens.layouts.layout import Layout
from loopback_core.listens.layouts.lfm_sets import Lastfm360k, Lfm1b, Lfm2b
from loopback_core.listens.layouts.listenbrainz import ListenBrainzArray, ListenBrainzLines
from loopback_core.listens.layouts.movielens import MovieLensCsv, MovieLensDat
from loopback_core.listens.layouts.scrobbler_log import ScrobblerLog
from loopback_core.listens.layouts.spotify_account import SpotifyAccount
from loopback_core.listens.layouts.spotify_extended import SpotifyExtended
from loopback_core.listens.layouts.youtube_music import YouTubeMusic

DELIMITED_TEXT, LASTFM_LINES = DelimitedText(), LastfmLines()

GENERAL_LAYOUTS: tuple[Layout | None, ...] = (DELIMITED_TEXT, LASTFM_LINES, None)
"""Those of any log; the others are those of exports, which come with tables that are no listens. None: Parquet."""

LAYOUTS: tuple[Layout, ...] = (
    SpotifyExtended(),
    SpotifyAccount(),
    ListenBrainzLines(),
    ListenBrainzArray(),
    LastfmPages(),
    LastfmTracks(),
    LastfmStatsJson(),
    LastfmStatsCsv(),
    LastfmUts(),
    LastfmDates(),
    LastfmDatesOnly(),
    YouTubeMusic(),
    ApplePlayActivity(),
    AppleDailyTracks(),
    ScrobblerLog(),
    DeezerWorkbook(),
    Lastfm360k(),
    Lfm1b(),
    Lfm2b(),
    MovieLensDat(),
    MovieLensCsv(),
    DELIMITED_TEXT,
    LASTFM_LINES,
)
"""In the order in which they are asked; the first that recognises a stream reads it. Special ones before general ones."""

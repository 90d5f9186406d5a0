"""A generated listening log in the raw Last.fm-1K layout: a fixed benchmark, deterministic by version, size and seed.

What is planted, each with its parameters in the module named:

- genres, world: 32 sub-genres in 8 families, with neighbours. Within a sub-genre an artist has a place on a ring of 8
  sounds and a popularity ~ 1 / (rank + 2)^1.25; its albums come out over a career, so tracks and whole artists appear
  during the log. A track's popularity within its artist is ~ 1 / rank^1.35. The catalog grows with the events.
- listeners: 3 to 5 tastes a user, half of the later ones in a neighbour of an earlier one, more likely in some
  countries, whose levels drift as random walks over the months; a favourite sound in each sub-genre; the number of
  listens is about log-normal; 8 % of the users begin in the last 5 % of the time.
- sessions: about 18 songs at the user's local hours of the day, with song-length gaps, skips and breaks.
- plays: a session is cut into runs by one artist. A run goes to an artist never played before (7 to 21 % of the runs;
  of these 15 % in a neighbouring sub-genre, 10 % anywhere, the others in the taste's sub-genre by popularity and
  closeness of sound) or returns to a recent or often played one. Within an artist a user meets tracks by popularity or
  album by album. New releases are met sooner.
- names: a sub-genre's words, more often the artist's own, in names and titles; live versions and remixes of titles;
  collaborations; several scripts, accents, quotes; titles that artists share. MBIDs are missing at the original's rates.
- profiles: gaps and odd ages as in the original.

The default log (300,000 events, 300 users, seed 0) has 24,155 tracks of 2,343 artists; 68 % of its events are repeats;
the most played 1 % of the tracks have 16 % of the plays; 5.6 % of the last tenth of the events are of tracks not heard
before it. 19.1 million events by 992 users have 1.44 million tracks of 145 thousand artists (the original: 1.5 million
and 174 thousand).
"""

from loopback_core.listens.sample.sample_writing import SAMPLE_VERSION, write_sample

__all__ = ["SAMPLE_VERSION", "write_sample"]

"""The logs of `logs.py`: every layout that is read, each with the name of a file and what writes it."""

from typing import Any

from log_writers import Row, Write, iso, lines, numbers, pages, parquet, quoted, records, workbook


def track_of_api(row: Row) -> dict[str, Any]:
    """A track as user.getRecentTracks of Last.fm answers it."""
    return {
        "artist": {"mbid": f"a-{row[1]}", "#text": f"Artist {row[1]}"},
        "streamable": "0",
        "mbid": f"t-{row[2]}",
        "album": {"mbid": "", "#text": "Album"},
        "name": f"Song {row[2]}",
        "date": {"uts": str(row[3]), "#text": iso(row[3], "%d %b %Y, %H:%M")},
    }


LOGS: dict[str, tuple[str, Write]] = {
    "Last.fm lines": ("log.tsv", lines(lambda r: f"u{r[0]}\t{iso(r[3])}\t\tArtist {r[1]}\t\tSong {r[2]}")),
    "text with a header (.csv)": (
        "log.csv",
        lines(lambda r: f"u{r[0]},{iso(r[3])},Artist {r[1]},Song {r[2]}", "user_id,timestamp,artist_name,track_name\n"),
    ),
    "text with a header, all quoted": (
        "log.csv",
        lines(
            lambda r: quoted(f"u{r[0]}", iso(r[3]), f"Artist {r[1]}", f"Song {r[2]}"),
            quoted("user_id", "timestamp", "artist_name", "track_name") + "\n",
        ),
    ),
    "Parquet": ("log.parquet", parquet),
    "Spotify extended streaming history": (
        "Streaming_History_Audio_0.json",
        records(
            lambda r: {
                "ts": iso(r[3]),
                "username": f"u{r[0]}",
                "ms_played": 200_000,
                "master_metadata_track_name": f"Song {r[2]}",
                "master_metadata_album_artist_name": f"Artist {r[1]}",
                "spotify_track_uri": f"spotify:track:{r[2]}",
                "episode_name": None,
            }
        ),
    ),
    "Spotify account data": (
        "StreamingHistory_music_0.json",
        records(
            lambda r: {
                "endTime": iso(r[3], "%Y-%m-%d %H:%M"),
                "artistName": f"Artist {r[1]}",
                "trackName": f"Song {r[2]}",
                "msPlayed": 200_000,
            }
        ),
    ),
    "ListenBrainz export": (
        "1.jsonl",
        records(
            lambda r: {
                "listened_at": r[3],
                "user_name": f"u{r[0]}",
                "track_metadata": {"artist_name": f"Artist {r[1]}", "track_name": f"Song {r[2]}"},
            },
            before="",
            between="",
            after="",
        ),
    ),
    "ListenBrainz export (one array)": (
        "listens.json",
        records(
            lambda r: {
                "listened_at": r[3],
                "user_name": f"u{r[0]}",
                "track_metadata": {
                    "artist_name": f"Artist {r[1]}",
                    "track_name": f"Song {r[2]}",
                    "additional_info": {"recording_mbid": "", "artist_mbids": []},
                    "mbid_mapping": {"recording_mbid": f"t-{r[2]}", "artist_mbids": [f"a-{r[1]}"]},
                },
            },
            before='{"payload": {"count": 1, "listens": [',
            after="]}}",
        ),
    ),
    "YouTube Music watch history": (
        "watch-history.json",
        records(
            lambda r: {
                "header": "YouTube Music",
                "title": f"Watched Song {r[2]}",
                "subtitles": [{"name": f"Artist {r[1]} - Topic"}],
                "time": iso(r[3]),
            }
        ),
    ),
    "Last.fm CSV with uts": (
        "anna.csv",
        lines(
            lambda r: quoted(r[3], iso(r[3], "%d %b %Y, %H:%M"), f"Artist {r[1]}", "", "", "", f"Song {r[2]}", ""),
            quoted("uts", "utc_time", "artist", "artist_mbid", "album", "album_mbid", "track", "track_mbid") + "\n",
        ),
    ),
    "Last.fm CSV without a header": (
        "anna.csv",
        lines(lambda r: f"Artist {r[1]},Album,Song {r[2]},{iso(r[3], '%d %b %Y %H:%M')}"),
    ),
    "Last.fm CSV with dates": (
        "anna.csv",
        lines(
            lambda r: quoted(f"Artist {r[1]}", "Album", f"Song {r[2]}", iso(r[3], "%d %b %Y, %H:%M")),
            "artist,album,track,date\n",
        ),
    ),
    "Last.fm API pages": ("anna.json", pages(track_of_api)),
    "Last.fm API tracks": ("anna.json", records(track_of_api)),
    "lastfmstats.com JSON": (
        "lastfmstats-anna.json",
        records(
            lambda r: {"track": f"Song {r[2]}", "artist": f"Artist {r[1]}", "album": "Album", "date": 1000 * r[3]},
            before='{"username": "anna", "scrobbles": [',
            after="]}",
        ),
    ),
    "lastfmstats.com CSV": (
        "lastfmstats-anna.csv",
        lines(
            lambda r: quoted(f"Artist {r[1]}", "Album", f"Song {r[2]}", 1000 * r[3], delimiter=";"),
            "Artist;Album;Track;Date#anna\n",
        ),
    ),
    "Apple Music play activity": (
        "Apple Music Play Activity.csv",
        lines(
            lambda r: (
                f"1,Artist {r[1]},Song {r[2]},NATURAL_END_OF_TRACK,{iso(r[3] + 200)},{iso(r[3])},PLAY_END,AUDIO,200000,0"
            ),
            "Apple Id Number,Artist Name,Content Name,End Reason Type,Event End Timestamp,Event Start Timestamp,Event Type,"
            "Media Type,Play Duration Milliseconds,UTC Offset In Seconds\n",
        ),
    ),
    "Apple Music daily tracks": (
        "Apple Music - Play History Daily Tracks.csv",
        lines(
            lambda r: (
                f'US,{r[2]},AUDIO,{iso(r[3], "%Y%m%d")},"{iso(r[3], "%H")}, 23",200000,1,Artist {r[1]} - Song {r[2]}'
            ),
            "Country,Track Identifier,Media type,Date Played,Hours,Play Duration Milliseconds,Play Count,Track Description\n",
        ),
    ),
    "Deezer data": (
        "deezer-data_1.xlsx",
        workbook(
            "10_listeningHistory",
            lambda r: {
                "Song Title": f"Song {r[2]}",
                "Artist": f"Artist {r[1]}",
                "ISRC": f"FR{r[2]:010}",
                "Album Title": "Album",
                "IP Address": "192.0.2.1",
                "Listening Time": 200,
                "Platform Name": "web",
                "Platform Model": "",
                "Date": iso(r[3], "%Y-%m-%d %H:%M:%S"),
            },
        ),
    ),
    "Audioscrobbler log": (
        "player.scrobbler.log",
        lines(
            lambda r: f"Artist {r[1]}\tAlbum\tSong {r[2]}\t1\t200\tL\t{r[3]}\t",
            "#AUDIOSCROBBLER/1.1\n#TZ/UTC\n#CLIENT/Rockbox\n",
        ),
    ),
    "LFM-1b listening events": ("events.tsv", lines(lambda r: f"{r[0]}\t{r[1]}\t7\t{r[2]}\t{r[3]}")),
    "LFM-2b listening events": (
        "events.tsv",
        lines(
            lambda r: f"{r[0]}\t{r[2]}\t7\t{iso(r[3], '%Y-%m-%d %H:%M:%S')}", "user_id\ttrack_id\talbum_id\ttimestamp\n"
        ),
    ),
    "Yambda listens": (
        "listens.parquet",
        numbers(
            lambda r: {
                "uid": r[0],
                "timestamp": r[3] - 1_000_000_000,
                "item_id": r[2],
                "is_organic": 1,
                "played_ratio_pct": 100,
                "track_length_seconds": 200,
            }
        ),
    ),
    "MovieLens ratings.dat": ("ratings.dat", lines(lambda r: f"{r[0]}::{r[2]}::5::{r[3]}")),
    "MovieLens ratings.csv": (
        "ratings.csv",
        lines(lambda r: f"{r[0]},{r[2]},5.0,{r[3]}", "userId,movieId,rating,timestamp\n"),
    ),
}

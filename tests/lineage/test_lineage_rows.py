from loopback_core.lineage.lineage_rows import mark_front


def row(family, value, milliseconds):
    return {
        "family": family,
        "costs": {} if milliseconds is None else {"p99_ms": milliseconds},
        "tasks": {} if value is None else {"discovery": {"ndcg@10": {"value": value, "low": None, "high": None}}},
        "on_front": {},
    }


def test_the_front_is_what_no_other_family_is_better_and_faster_than():
    rows = [
        row("fast", 0.1, 1.0),
        row("as good and slower", 0.1, 2.0),
        row("better", 0.2, 5.0),
        row("worse and slower", 0.15, 6.0),
        row("as fast and worse", 0.05, 1.0),
        row("diverged", None, None),
    ]
    mark_front(rows, "discovery")
    assert [row["on_front"].get("discovery") for row in rows] == [True, False, True, False, False, None]

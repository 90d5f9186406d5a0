"""What re-ranking costs and gives: the lists in the order in which they may be shown."""

from collections.abc import Container, Iterator
from typing import Any

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.reranking_json import RerankingJson
from loopback_core.recommenders.lists import RERANKED, SERVED
from loopback_core.reporting.report.report_tables import difference_cell, markdown_table
from loopback_core.reporting.report.task_sections import folded, pictures_there
from loopback_core.reporting.safe_text import markdown
from loopback_core.reranking.list_diversity import LIST_DIVERSITY
from loopback_core.tasks.metrics import MAIN_METRIC


def reranking_section(evaluation: Evaluation, pictures: Container[str]) -> Iterator[str]:
    """Paragraphs of the section; nothing where lists are shown in the order of their scores."""
    if not (measured := evaluation.get("reranking")):
        return
    settings = evaluation["settings"].get("reranking", {})
    yield "## Re-ranking: diverse lists, and what they cost"
    yield (
        f"`{RERANKED}` puts the first 100 tracks of `{SERVED}` in another order. The dial goes from 0, the order of the scores, to "
        f"1. Chosen was, on validation, the point with the most artists that costs at most {100 * settings.get('max_cost', 0):g} % of "
        f"{MAIN_METRIC} there, a standard error added; 0 where none does. Rules hold at every point: {_rules(next(iter(measured.values()))['choice'])}."
    )
    for task, of_task in measured.items():
        title, choice = task.replace("_", " ").capitalize(), of_task["choice"]
        yield f"### {title}"
        yield (
            f"`{choice['method']}` at {choice['diversity']:g}: chosen by {_asked(choice)} of validation, where "
            f"{MAIN_METRIC} is {_validation(choice)}."
        )
        yield _lists(of_task, evaluation["rival"].get(task))
        caption = f"{title}: {MAIN_METRIC} of {of_task['users_of_curve']:,} users along the dial of each method"
        if shown := pictures_there({f"reranking_{task}.png": caption}, pictures):
            yield shown
        yield from folded("The points of every dial", _points(of_task))
    yield "\n".join(f"- `{formula}`" for formula in LIST_DIVERSITY.values())


def _rules(choice: dict[str, Any]) -> str:
    most = choice["most_of_artist"]
    rules = [
        "of several versions of a title by one artist the list begins with the first, and with those that the user plays"
        if choice["one_version"]
        else "",
        f"it begins with at most {most} tracks of one artist" if most else "",
    ]
    return "; ".join(filter(None, rules)) or "none"


def _asked(choice: dict[str, Any]) -> str:
    users, requests = choice["users"], choice.get("requests")
    return f"{requests:,} requests of {users:,} users" if requests else f"{users:,} users"


def _validation(choice: dict[str, Any]) -> str:
    shipped = (choice["method"], choice["diversity"])
    chosen = [point for point in choice["points"] if (point["method"], point["diversity"]) == shipped]
    return f"{chosen[0]['ndcg']:.4f} instead of {choice['ndcg']:.4f}" if chosen else "not measured"


def _lists(measured: RerankingJson, rival: str | None) -> str:
    rows = []
    for name, point in measured["lists"].items():
        comparison = measured["against"].get(name, {}).get(MAIN_METRIC)
        rows.append(
            [
                f"**{name}**" if name == RERANKED else markdown(name) + " (rival)" * (name == rival),
                f"{point['ndcg']:.4f}",
                *(f"{value:.3f}" for value in (point["distance"], point["artists"], point["entropy"])),
                difference_cell(comparison),
            ]
        )
    columns = ["lists", MAIN_METRIC, *(f"{name}@10" for name in LIST_DIVERSITY), f"{RERANKED} minus it"]
    return markdown_table(columns, rows, words=1)


def _points(measured: RerankingJson) -> str:
    rows = [
        [
            method,
            f"{point['diversity']:g}",
            f"{point['ndcg']:.4f}",
            *(f"{value:.3f}" for value in (point["distance"], point["artists"], point["entropy"])),
        ]
        for method, points in measured["curve"].items()
        for point in points
    ]
    return markdown_table(["method", "dial", MAIN_METRIC, *(f"{name}@10" for name in LIST_DIVERSITY)], rows, words=1)

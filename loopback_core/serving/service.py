"""The service without its protocol: one bundle in service, the listens that were received, questions and answers."""

import logging
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from loopback_core.errors import LoopbackError
from loopback_core.listens.listen_store import Added, ListenStore
from loopback_core.listens.received import ReceivedListen, normal_user
from loopback_core.served_quality.answer_log import AnswerLog, LoggedAnswer
from loopback_core.serving.answer_writer import AnswerWriter
from loopback_core.serving.answering import Answer, answer
from loopback_core.serving.blocked_tracks import FollowedBlockList
from loopback_core.serving.listener import Received, Unknown, unknown_listens
from loopback_core.serving.listing import has_no_wish
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.prepared import Asked
from loopback_core.serving.question import HeardTrack, Question
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.challenger_pointer import Challenge, challenge_of
from loopback_core.store.deployments import served_or_none
from loopback_core.store.served_pointer import ASSET, served_bundle

log = logging.getLogger("loopback")


@dataclass(frozen=True)
class Failure:
    """A bundle that should be served and is not."""

    version: str
    reason: str


@dataclass(frozen=True)
class LoadedChallenger:
    """The second bundle, while a test runs."""

    loaded: LoadedBundle
    challenge: Challenge


class Assigned(NamedTuple):
    """The bundle that answers a user."""

    loaded: LoadedBundle
    challenge: Challenge | None = None  # the test that the answer is a part of


class Erasure(NamedTuple):
    """What went of a user."""

    listens: int  # of those that were stored
    in_bundle: bool | None  # whether the served bundle knows the user; None: no bundle is loaded


class Service:
    """Answers questions from the bundle that is served. Used by many threads; the bundle is one reference."""

    def __init__(self, home: Path, keep_answers_days: float | None = None) -> None:
        """home: the folder of artifacts and of the listens. keep_answers_days: how long answers are kept; None: none is.

        Raises:
            ListensError: the store of listens, or the log of answers, cannot be opened.
        """
        self.store = ArtifactStore(home)
        self.listens = ListenStore.open(self.store.home)
        self.answers: AnswerWriter | None = None
        if keep_answers_days is not None:
            self.answers = AnswerWriter(AnswerLog.open(self.store.home), keep_answers_days)
        self.loaded: LoadedBundle | None = None
        self.failure: Failure | None = None  # of the newest exchange; None where it went well
        self.challenger: LoadedChallenger | None = None
        self.challenger_failure: Failure | None = None  # while a test should run and does not
        self.exchanges = 0
        self.block_list = FollowedBlockList(self.store)
        self._loading = Lock()

    def load(self, verify: bool = False) -> None:
        """Put the bundle that `SERVED` names into service, unless it is already. Requests that run end on the old one.

        Raises:
            LoopbackError: it cannot be served; the one before stays in service.
        """
        with self._loading:
            artifact = served_bundle(self.store)
            if self.loaded is not None and self.loaded.version == artifact.version:
                self.failure = None
                return
            second = self.challenger
            is_loaded = second is not None and second.loaded.version == artifact.version
            before = self.loaded and self.loaded.version
            self.loaded = second.loaded if second and is_loaded else LoadedBundle.load(artifact, verify)
            self.failure = None
            self.exchanges += 1
        log.info("%s is in service%s", artifact, f", instead of {ASSET}/{before}" if before else "")

    def follow(self) -> None:
        """As :meth:`load`, and the same of the challenger and of the block list; any error is kept and logged once.

        Called again and again.
        """
        self.block_list.follow()
        try:
            self.load()
        except Exception as error:
            reason, version = self._reason(error), _pointed_at(self.store)
            if self.failure is None or self.failure.reason != reason:
                log.error("%s is not put into service: %s", f"bundle/{version}" if version else "nothing", reason)
            self.failure = Failure(version, reason)
        version = ""
        try:
            challenge = challenge_of(self.store)
            version = "" if challenge is None else challenge.version
            before, self.challenger = self.challenger, self._challenger(challenge)
            self.challenger_failure = None
            _log_test(before, self.challenger)
        except Exception as error:
            reason, self.challenger = self._reason(error), None
            if self.challenger_failure is None or self.challenger_failure.reason != reason:
                log.error("the challenger %s answers nobody, the bundle in service all: %s", version, reason)
            self.challenger_failure = Failure(version, reason)

    def _challenger(self, challenge: Challenge | None) -> LoadedChallenger | None:
        """What `CHALLENGER` names; while it is loaded the bundle in service answers all."""
        if challenge is None or self.loaded is None or self.loaded.version == challenge.version:
            return None
        if self.challenger is not None and self.challenger.loaded.version == challenge.version:
            return LoadedChallenger(self.challenger.loaded, challenge)
        self.challenger = None  # its memory goes before that of the next one comes
        return LoadedChallenger(LoadedBundle.load(self.store.get(ASSET, challenge.version)), challenge)

    def _reason(self, error: Exception) -> str:
        """Anybody may read it, and need not know where the home is."""
        reason = str(error) if isinstance(error, LoopbackError) else f"{type(error).__name__}: {error}"
        home = str(self.store.home)
        return reason.replace(home + os.sep, "").replace(home, "LOOPBACK_HOME")

    def assigned(self, loaded: LoadedBundle, user_id: str | None) -> Assigned:
        """The bundle that answers a user: the challenger, where a test gives it to them. loaded: the one in service.

        Raises:
            RequestError: no user can have this id.
        """
        second = self.challenger
        if second is None or user_id is None:
            return Assigned(loaded)
        takes = second.challenge.takes(normal_user(user_id))
        return Assigned(second.loaded if takes else loaded, second.challenge)

    def answer(
        self, loaded: LoadedBundle, questions: Sequence[Question], challenge: Challenge | None = None
    ) -> list[Answer]:
        """The answer to each question, all by one bundle. challenge: the test that they are a part of.

        Raises:
            RequestError: a question contradicts itself.
            ListensError: the store of listens cannot be read.
        """
        asked = [self._asked(question) for question in questions]
        answers = answer(loaded.listeners, asked, self.block_list.of(loaded))
        if self.answers is not None:
            now = time.time_ns() // 1_000
            self.answers.put(_logged(one, loaded.version, challenge, now) for one in answers)
        return answers

    def add(self, listens: Sequence[ReceivedListen]) -> Added:
        """Store listens; they are on the disk when this returns. Raises as :meth:`ListenStore.add`."""
        return self.listens.add(listens)

    def unknown(self, listens: Sequence[ReceivedListen]) -> tuple[Unknown, ...] | None:
        """Those of the listens whose track the bundle in service does not know; None: no bundle is loaded."""
        loaded = self.loaded
        return None if loaded is None else unknown_listens(loaded.served, [_heard(one, None) for one in listens])

    def erase(self, user_id: str) -> Erasure:
        """Forget a user: the listens, and the answers that were logged, whether any are logged now or not.

        Raises as :meth:`ListenStore.erase`.
        """
        listens, loaded = self.listens.erase(user_id), self.loaded
        self._erase_answers(user_id)
        if loaded is None:
            return Erasure(listens, None)
        name = normal_user(user_id)
        loaded.listeners.forget(name)
        if (second := self.challenger) is not None:
            second.loaded.listeners.forget(name)
        return Erasure(listens, int(loaded.served.users.find([name])[0]) >= 0)

    def close(self) -> None:
        """Close the store of listens, and the log of answers once all are written."""
        if self.answers is not None:
            self.answers.close()
        self.listens.close()

    def _erase_answers(self, user_id: str) -> None:
        if self.answers is not None:
            self.answers.answers.erase(user_id)
        elif (earlier := AnswerLog.existing(self.store.home)) is not None:
            with closing(earlier):
                earlier.erase(user_id)

    def _asked(self, question: Question) -> Asked:
        if question.user_id is None:
            return Asked(question)
        user_id = normal_user(question.user_id)
        question = replace(question, user_id=user_id)
        version = self.listens.version(user_id)
        return Asked(question, partial(self._received, user_id), version) if version else Asked(question)

    def _received(self, user_id: str) -> Received:
        heard = tuple(_heard(one, _seconds(one.time)) for one in self.listens.of_user(user_id))
        erased_at = self.listens.erased_at(user_id)
        return Received(heard, None if erased_at is None else _seconds(erased_at))


def _heard(one: ReceivedListen, time: int | None) -> HeardTrack:
    return HeardTrack(one.artist, one.track, one.artist_mbid or "", one.track_mbid or "", time)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _logged(answer: Answer, bundle: str, challenge: Challenge | None, now: int) -> LoggedAnswer:
    question = answer.question
    shown = [item.track for item in answer.items]
    plain = has_no_wish(question) and not question.history and question.at is None
    return LoggedAnswer(now, question.task, bundle, question.user_id, question.k, shown, challenge, plain)


def _pointed_at(store: ArtifactStore) -> str:
    return served_or_none(store) or ""


def _log_test(before: LoadedChallenger | None, now: LoadedChallenger | None) -> None:
    if now is not None and (before is None or before.challenge != now.challenge):
        log.info("bundle/%s answers %.1f %% of the users", now.loaded.version, 100 * now.challenge.share)
    elif before is not None and now is None:
        log.info("bundle/%s is no challenger any more", before.loaded.version)

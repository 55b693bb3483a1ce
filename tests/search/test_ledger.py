"""The ledger: every trial ends exactly once, whoever is killed and whenever."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from tests.search.helpers import ledger, score, small

from chainrule.errors import ConfigError
from chainrule.recipes import change
from chainrule.search import ledger as ledger_module
from chainrule.search.ledger import Claim, Ledger, outcomes
from chainrule.search.plan import Place


def settle(book, claim, value=None):
    return book.settle(claim, "finished", score(claim.values) if value is None else value, {"figures": []})


def statuses(book):
    return [(a.place.number, a.status) for a in book.attempts()]


def drain(book, worker, out):
    while (claim := book.claim(worker)) != "done":
        if isinstance(claim, Claim):
            out.append(claim.place)
            settle(book, claim)


def test_processes_share_the_trials_and_none_is_tried_twice(tmp_path):
    places = [[], [], []]
    books = [ledger(tmp_path, small(strategy="random", trials=12)) for _ in places]
    threads = [threading.Thread(target=drain, args=(b, f"w{i}", places[i])) for i, b in enumerate(books)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p for own in places for p in own) == books[0].plan.places
    known = outcomes(books[0].attempts())
    assert len(books[0].attempts()) == len(known) == 12
    alone = ledger(tmp_path / "alone", small(strategy="random", trials=12))
    drain(alone, "w", [])
    assert {p: o.values for p, o in known.items()} == {p: o.values for p, o in outcomes(alone.attempts()).items()}


@pytest.mark.parametrize("moment", ["add_trial", "ask", "record_heartbeat", "set_user_attr"])
def test_a_process_killed_while_it_begins_a_trial_leaves_it_to_the_next(tmp_path, monkeypatch, moment):
    class Killed(BaseException):
        pass

    book = ledger(tmp_path)

    def kill(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        target = {"record_heartbeat": book.storage.optuna, "set_user_attr": book._optuna.trial.Trial}
        patch.setattr(target.get(moment, book._study), moment, kill)
        with pytest.raises(Killed):
            book.claim("dead")
    other = ledger(tmp_path)
    places = []
    drain(other, "alive", places)
    assert places == other.plan.places
    assert [s for _, s in statuses(other)].count("finished") == 6


def test_a_process_killed_while_it_ends_a_trial_leaves_it_to_the_next(tmp_path, monkeypatch):
    book = ledger(tmp_path, small(strategy="random", trials=1))
    claim = book.claim("dead")
    with monkeypatch.context() as patch:
        patch.setattr(book._study, "tell", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            settle(book, claim, 0.5)
    assert outcomes(book.attempts()) == {}
    book.release("dead")
    assert statuses(book) == [(0, "killed")]
    assert settle(book, book.claim("next"), 0.25)
    assert outcomes(book.attempts())[Place(0, 0)].value == 0.25


def test_what_a_dead_process_was_at_is_tried_again_and_its_late_outcome_is_refused(tmp_path):
    book, other = ledger(tmp_path), ledger(tmp_path)
    first, second = book.claim("a"), book.claim("b")
    assert (first.place, second.place) == (Place(0, 0), Place(0, 1))
    other.release("a")
    again = other.claim("c")
    assert (again.place, again.values) == (first.place, first.values)
    assert settle(book, second)
    assert settle(other, again, 0.25)
    assert not settle(book, first, 0.75)
    assert not book.report(first, 1, 0.5)
    book.hand_back(first)
    assert statuses(book) == [(0, "killed"), (1, "finished"), (0, "finished")]
    assert outcomes(book.attempts())[Place(0, 0)].value == 0.25
    assert not settle(other, again, 0.5)


def test_nobody_waits_for_a_process_of_this_machine_that_is_gone(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    machine, _ = ledger_module.this_process()
    if machine is None:
        pytest.skip("needs Linux, where a machine has a name of its own")
    book = ledger(tmp_path)
    claims = []
    for process in ([machine, gone.pid], ["another machine", gone.pid], [None, gone.pid], [machine, os.getpid()]):
        with monkeypatch.context() as patch:
            patch.setattr(ledger_module, "is_dead", lambda process: False)
            patch.setattr(ledger_module, "this_process", lambda p=process: p)
            claims.append(book.claim("w"))
    assert book.claim("next").place == claims[0].place
    assert book.claim("next").place == Place(0, 4)


def test_a_lease_ends_without_signs_of_life_and_not_with_them(tmp_path):
    book, other = ledger(tmp_path, lease=600), ledger(tmp_path, lease=600)
    dead, alive = book.claim("dead"), book.claim("alive")
    database = tmp_path / "study.db"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-601 seconds')")
        book.lease = 1  # gives signs of life four times as often
        ends = time.monotonic() + 300
        with book.alive(alive):
            fresh = "SELECT trial_id FROM trial_heartbeats WHERE heartbeat > datetime('now', '-300 seconds')"
            while connection.execute(fresh).fetchall() != [(alive.row_id,)]:
                assert time.monotonic() < ends
                time.sleep(0.05)
    claims = [other.claim("next"), other.claim("next")]
    assert [claim.place for claim in claims] == [dead.place, Place(0, 2)]
    assert claims[0].values == dead.values
    assert settle(book, alive)
    assert not settle(book, dead)


def test_a_trial_that_always_kills_its_process_is_lost_and_one_handed_back_is_not(tmp_path):
    book = ledger(tmp_path, small(strategy="random", trials=2))
    for _ in range(ledger_module.MAX_ATTEMPTS + 2):
        book.hand_back(book.claim("patient"))
    for i in range(ledger_module.MAX_ATTEMPTS):
        assert book.claim(f"w{i}").place == Place(0, 0)
        book.release(f"w{i}")
    assert book.claim("next").place == Place(0, 1)
    assert {p: o.status for p, o in outcomes(book.attempts()).items()} == {Place(0, 0): "lost"}


def test_confirmation_waits_and_is_left_out_where_nothing_finished(tmp_path):
    book = ledger(tmp_path, small(strategy="random", trials=2, confirm=2))
    first, second = book.claim("a"), book.claim("b")
    assert book.claim("c") == "wait"
    book.settle(first, "diverged", None, {})
    book.settle(second, "refused", None, {})
    assert book.claim("c") == "done"


def test_a_study_holds_one_search(tmp_path):
    book = ledger(tmp_path)
    settle(book, book.claim("w"))
    assert len(ledger(tmp_path).attempts()) == 1
    with pytest.raises(ConfigError, match=r"holds another search \(they differ in batch_size = 32; batch_size = 64\)"):
        ledger(tmp_path, change(small(), {"train.batch_size": 32}))
    with pytest.raises(ConfigError, match="there is no study 'other'"):
        Ledger(f"sqlite:///{tmp_path / 'study.db'}", "other")
    assert len(ledger(tmp_path).attempts()) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "must be a URL such as sqlite:///study.db"),
        ("sqlite://", "must be an SQLite file or a PostgreSQL database"),
        ("mysql://user:secret@host/name", "must be an SQLite file or a PostgreSQL database"),
        ("postgresql://user:secret@/name?host=/nowhere", "storage postgresql"),
        ("sqlite:////dev/null/study.db", "storage sqlite"),
        ("sqlite:///study.db?nonsense=1", "storage sqlite.*nonsense"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line_without_the_password(url, said):
    with pytest.raises(ConfigError, match=said) as caught:
        Ledger(url, "study", small())
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "study.db").write_text("mine, " * 1000)
    with pytest.raises(ConfigError, match="not a database"):
        ledger(tmp_path)
    assert (tmp_path / "study.db").read_text() == "mine, " * 1000

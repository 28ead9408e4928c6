"""A guest's serial console as a program sees it: wait for a prompt, log in, run commands, get output and status."""
import os
import re
import secrets
import select
import signal
import subprocess
import time


class ConsoleError(Exception):
    """The guest did not say what was waited for; the text ends with what it said last."""


class SerialConsole:
    """Owns the monitor's process. Everything that the guest says is in `transcript`."""

    def __init__(self, command, log=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdin.fileno(), False)
        self.transcript = bytearray()
        self.position = 0  # what was waited for before lies before it
        self.log = log

    def _read(self, seconds, writing=False):
        """Reads what there is within the time. Returns (ended, may write now)."""
        stdout = self.process.stdout.fileno()
        readable, writable, _ = select.select([stdout], [self.process.stdin.fileno()] if writing else [], [], seconds)
        if readable:
            chunk = os.read(stdout, 65536)
            self.transcript += chunk
            if self.log:
                self.log.write(chunk)
                self.log.flush()
            return not chunk, bool(writable)
        return False, bool(writable)

    def wait_for(self, pattern, seconds):
        """The match of the regular expression (bytes) in what the guest says from now on."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + seconds
        while True:
            if match := expression.search(self.transcript, self.position):
                self.position = match.end()
                return match
            left = deadline - time.monotonic()
            ended = left > 0 and self._read(left)[0]
            if ended or left <= 0:
                last = bytes(self.transcript[-1500:]).decode(errors="replace")
                raise ConsoleError(f"{'the guest ended' if ended else f'{seconds:.0f} s passed'} before {pattern!r}; it last said:\n{last}")

    def send(self, text, seconds=600):
        data = text.encode()
        deadline = time.monotonic() + seconds
        while data:
            ended, may_write = self._read(max(0, deadline - time.monotonic()), writing=True)
            if ended or time.monotonic() > deadline:
                raise ConsoleError("the guest does not take input")
            if may_write:
                data = data[os.write(self.process.stdin.fileno(), data[:512]):]

    def log_in(self, seconds):
        self.wait_for(rb"login: ", seconds)
        self.send("root\n")
        self.wait_for(rb"[#$] ", seconds)
        # No line editing, no echo, no prompt, no carriage returns: what comes back is output and nothing else. The guest
        # may change the line's settings only while nothing is under way, hence one step at a time.
        self.send("exec env HISTFILE= bash --noediting --norc\n")
        self.wait_for(rb"bash-[0-9.]+[#$] ", seconds)
        self.send("stty -echo -onlcr; PS1= PS2=; export LC_ALL=C; dmesg -n 1; cd /root; echo ready-$((6 * 7))\n")
        self.wait_for(rb"ready-42\r?\n", seconds)

    def run(self, commands, seconds):
        """Runs shell commands: (exit status, output)."""
        token = secrets.token_hex(6)
        self.send(f"{{ {commands}\n}} 2>&1; printf '\\n<%s %d>\\n' {token} $?\n")
        start = self.position
        match = self.wait_for(rf"\n<{token} (\d+)>\r?\n".encode(), seconds)
        return int(match[1]), bytes(self.transcript[start:match.start()]).decode(errors="replace")

    def put_file(self, path, text, seconds=120):
        """Types a file in, as somebody would who pastes it."""
        assert "\nEND-OF-FILE\n" not in text
        status, output = self.run(f"cat >{path} <<'END-OF-FILE'\n{text.rstrip()}\nEND-OF-FILE", seconds)
        if status:
            raise ConsoleError(f"writing {path} in the guest failed: {output}")

    def wait_for_end(self, seconds):
        """Exit status of the monitor."""
        deadline = time.monotonic() + seconds
        while not self._read(max(0, deadline - time.monotonic()))[0]:
            if time.monotonic() > deadline:
                raise ConsoleError("the guest did not end; it last said:\n" + bytes(self.transcript[-1500:]).decode(errors="replace"))
        return self.process.wait(30)

    def cpu_seconds(self):
        """Processor time used so far by the monitor and its descendants."""
        parents, used = {}, {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            parents[int(name)] = int(fields[1])
            used[int(name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        family = {self.process.pid}
        while new := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= new
        return sum(used.get(pid, 0) for pid in family)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

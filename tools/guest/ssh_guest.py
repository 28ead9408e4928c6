"""A guest's shell over ssh, through a forwarded port: run commands, send files, ask for its clock."""
import socket
import subprocess
import time


class SshError(Exception):
    """The guest did not answer, or not in time; the text says what was asked."""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class SshGuest:
    """Root in the guest whose port 22 is `port` here; `key` is the private key it knows."""

    def __init__(self, port, key):
        self.command = ["ssh", "-i", str(key), "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                        "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=120", "-o", "ServerAliveInterval=60", "root@127.0.0.1"]

    def wait_for(self, seconds):
        """Until the guest lets us in. The port is open long before: it is this computer's."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.run("true", 180)[0] == 0:
                    return
            except SshError:
                pass
            if time.monotonic() > deadline:
                raise SshError(f"no login by ssh within {seconds:.0f} s")
            time.sleep(0.2)

    def run(self, commands, seconds, content=None):
        """Runs shell commands: (exit status, output with errors). `content` is their standard input."""
        try:
            done = subprocess.run([*self.command, commands], input=content if content is not None else b"", stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"")[-1500:].decode(errors="replace")
            raise SshError(f"{seconds:.0f} s passed in: {commands[:200]}\nit last said:\n{said}") from error
        return done.returncode, done.stdout.decode(errors="replace")

    def clock(self):
        return GuestClock(self.command)


class GuestClock:
    """A session that tells the guest's time whenever asked: to log in takes a busy guest long."""

    def __init__(self, command):
        program = "import sys,time\nfor l in sys.stdin: print(time.time_ns(),flush=True)"
        self.session = subprocess.Popen([*command, f"exec nice -n -19 python3 -c '{program}'"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.stdin.close()
        self.session.terminate()
        self.session.wait()

    def offset(self, rounds=50):
        """Seconds by which the guest's clock is ahead of ours, and how far off that can be: the round that took least tells best."""
        best = None
        for _ in range(rounds):
            before = time.time_ns()
            self.session.stdin.write(b"\n")
            self.session.stdin.flush()
            answer = self.session.stdout.readline()
            after = time.time_ns()
            if not answer:
                raise SshError("the guest does not tell its time")
            if best is None or after - before < best[1]:
                best = int(answer) - (before + after) // 2, after - before
        return best[0] / 1e9, best[1] / 2e9

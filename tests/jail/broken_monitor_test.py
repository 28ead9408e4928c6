#!/usr/bin/env python3
"""A deliberately broken monitor attacks the host from every process and kind of thread, and must fail at each attempt.

broken_monitor.so, preloaded, runs one attack in the real program where it has just been confined. The kernel kills the process then
(SIGSYS), or refuses the call. The same attacks made before any jail show that they would have worked."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

FORBIDDEN = ["open", "open for writing", "create a file", "list the root directory", "connect", "connect locally", "send to an address", "hand a descriptor on", "execve", "fork", "ptrace",
             "signal the parent", "signal a thread of the parent", "signal through a descriptor", "process descriptor",
             "read the parent's memory", "limits of the parent", "kernel events", "kernel programs", "io_uring", "mount",
             "new namespaces", "keys", "priority"]
# Which role may do what is otherwise forbidden: its task needs it.
ALLOWED = {"softmetal-net": {"connect", "generated code", "a place in a file", "a new thread"},
           "softmetal-vnc": {"a place in a file", "a new thread"},
           "softmetal-vm": {"generated code", "a place in a file", "a new thread"},
           "softmetal-switch": {"a place in a file", "a new thread"},
           "vcpu": set(), "block-store": {"a place in a file"}, "remote-store": set(), "event-loop": set(), "screen": set(), "debugger": set()}
# Their death ends no machine.
MISSED_BY_NOBODY = {"softmetal-vnc", "softmetal-switch"}
SPECIAL = ["generated code", "a place in a file", "a new thread"]
# Without privileges these work on any Linux; the others may be forbidden to everybody on this one.
CONTROLS = ["open", "open for writing", "connect", "connect locally", "execve", "signal the parent", "process descriptor",
            "limits of the parent", "generated code", "a place in a file"]


def run(program, library, guest, folder, nbd, role, attack, port):
    home = pathlib.Path(tempfile.mkdtemp(dir=folder))
    disk = home / "disk"
    disk.write_bytes(bytes(4096))
    readable = home / "readable"
    readable.write_text("a file of the user's")
    report = home / "report"
    environment = {**os.environ, "LD_PRELOAD": str(library), "BROKEN_ROLE": role, "BROKEN_ATTACK": attack, "BROKEN_PORT": str(port),
                   "BROKEN_FILE": str(readable), "BROKEN_REPORT": str(report), "XDG_RUNTIME_DIR": str(home)}
    done = subprocess.run([program, "run", "--kernel", guest, "--memory", "64M", "--disk", disk, "--gdb", f"unix:{home}/gdb",
                           "--vnc", f"unix:{home}/vnc", "--control", home / "control", "--network", "nat"]
                          + (["--network", "switch=attacked"] if role == "softmetal-switch" else [])
                          + (["--disk", f"nbd+unix:///?socket={nbd}"] if role == "remote-store" else []),
                          cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    said = report.read_text() if report.exists() else ""
    return done.returncode, said + done.stdout + done.stderr, (home / "broken-monitor-was-here").exists()


def judge(role, attack, status, output, left_a_file):
    """A complaint, or None."""
    said = re.findall(rf"^broken monitor: {re.escape(attack)}: (.*)$", output, re.MULTILINE)
    if "tried" not in said and "SUCCEEDED" not in said:
        return f"it was not tried (status {status}): {output}"
    if left_a_file:
        return "it left a file"
    succeeded = "SUCCEEDED" in said
    if role == "nobody-jailed":
        return None if succeeded else f"it should work outside the jail: {output}"
    if succeeded:
        return None if attack in ALLOWED[role] else "it SUCCEEDED"
    if attack in ALLOWED[role]:
        return f"it should be allowed: {output}"
    # Either the kernel killed the process, which softmetal reports if the machine cannot go on, or it refused the call politely.
    if len(said) == 1 and role not in MISSED_BY_NOBODY and not re.search(r"signal 31", output):
        return f"it neither failed nor was the process killed (status {status}): {output}"
    return None


def main():
    program, library, guest = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    cases = [("nobody-jailed", attack) for attack in CONTROLS]
    has_nbd = shutil.which("nbdkit") is not None
    if not has_nbd:
        print("without nbdkit, remote-store is left out")
    cases += [(role, attack) for role in ALLOWED for attack in FORBIDDEN + SPECIAL if has_nbd or role != "remote-store"]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="softmetal-") as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        nbd = pathlib.Path(folder) / "nbd"
        server = subprocess.Popen(["nbdkit", "-f", "-U", nbd, "memory", "1M"]) if has_nbd else None
        while server and not nbd.exists() and server.poll() is None:
            time.sleep(0.01)
        outcomes = pool.map(lambda case: run(program, library, guest, folder, nbd, *case, port), cases)
        for (role, attack), outcome in zip(cases, outcomes):
            complaint = judge(role, attack, *outcome)
            if complaint:
                failed += 1
                print(f"FAILED {role}: {attack}: {complaint.strip()}")
        if server:
            server.terminate()
            server.wait()
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

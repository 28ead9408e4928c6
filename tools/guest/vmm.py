"""Running a guest under a virtual machine monitor from Python: its command line, and one script in the small guest.

The monitor is `softmetal`, or `qemu` (TCG) as the yardstick and stand-in, so that every driver can be tried on both."""
import dataclasses
import os
import pathlib
import re
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUESTS = ROOT / "build/guests"
SOFTMETAL = os.environ.get("SOFTMETAL", str(ROOT / "build/release/bin/softmetal"))
NAMES = ("softmetal", "qemu")


class GuestError(Exception):
    """The guest could not be run to its end; the text says why."""


def clean_up_when_stopped():
    """SIGTERM ends the program as an exception, so that guests it started are ended too."""
    def stop(number, _frame):
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, stop)


def command(vmm, *, kernel, initrd=None, append, memory="1G", cpus=1, disk=None, mode=None):
    """The command that runs such a guest with its serial port on standard input and output."""
    if vmm == "softmetal":
        words = [SOFTMETAL, "run", "--kernel", str(kernel), "--append", append, "--memory", memory, "--cpus", str(cpus),
                 "--on-reset", "exit"]
        words += ["--initrd", str(initrd)] if initrd else []
        words += ["--disk", str(disk)] if disk else []
        words += ["--mode", mode] if mode else []
        return words
    words = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(cpus), "-m", memory, "-nodefaults", "-no-reboot",
             "-display", "none", "-serial", "stdio", "-kernel", str(kernel), "-append", append]
    words += ["-initrd", str(initrd)] if initrd else []
    if disk:
        words += ["-drive", f"file={disk},if=none,id=disk0,format=raw", "-device", "virtio-blk-pci,drive=disk0"]
    return words


def debian_command(vmm, *, disk, kernel="cloud", memory="1G", cpus=1, mode=None):
    """The same for the Debian guest of tools/build_debian_image on `disk`, a copy of its image."""
    return command(vmm, kernel=GUESTS / f"vmlinuz-{kernel}", initrd=GUESTS / f"debian-{kernel}.cpio.gz", disk=disk,
                   memory=memory, cpus=cpus, mode=mode, append="console=ttyS0 root=/dev/vda rw quiet")


def pc_command(vmm, *, disk, interface="virtio", card="virtio", forwards=(), memory="2G", cpus=1, mode=None):
    """The command that boots `disk` by SeaBIOS: `interface` (ide, virtio) is how it is connected, `card` (e1000, virtio) the network's;
    `forwards` are pairs of a port of this computer's and one of the guest's."""
    if vmm == "softmetal":
        words = [SOFTMETAL, "run", "--disk", f"{disk}{',if=ide' if interface == 'ide' else ''}", "--network-card", card,
                 "--memory", memory, "--cpus", str(cpus), "--on-reset", "exit"]
        words += [word for host, guest in forwards for word in ("--forward", f"{host}:{guest}")]
        words += ["--mode", mode] if mode else []
        return words
    network = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in forwards)
    return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(cpus), "-m", memory, "-nodefaults", "-no-reboot",
            "-display", "none", "-vga", "std", "-serial", "stdio", "-drive", f"file={disk},if={interface},format=raw",
            "-netdev", f"user,id=net0{network}", "-device", f"{'e1000' if card == 'e1000' else 'virtio-net-pci'},netdev=net0,romfile="]


@dataclasses.dataclass
class Outcome:
    """What a guest left behind. cpu_seconds and peak_bytes include the monitor's child processes."""
    status: int  # of the script
    output: bytes
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def initramfs(output, *arguments, script=None):
    """Runs tools/build_initramfs; `script` is given on its standard input."""
    words = [sys.executable, str(ROOT / "tools/build_initramfs"), "--output", str(output), *arguments]
    words += ["--script", "-"] if script is not None else []
    done = subprocess.run(words, input=(script or "").encode(), capture_output=True)
    if done.returncode:
        raise GuestError(done.stderr.decode().strip())
    return pathlib.Path(output)


def run_script(script, *, vmm="softmetal", kernel=None, memory="1G", cpus=1, mode=None, add=(), append="", busybox=None,
               timeout=600, output=None, console=None, words=(), modules=None):
    """Runs shell commands in the small guest. `output` and `console`, if given, are called with bytes as they arrive;
    `words` are more options for the monitor, `modules` names, with commas, drivers of the cloud kernel to load first."""
    token = secrets.token_hex(6)
    with tempfile.TemporaryDirectory(prefix="softmetal-") as folder:
        additions = [word for item in add for word in ("--add", item)]
        additions += ["--busybox", str(busybox)] if busybox else []
        additions += ["--modules", str(GUESTS / "cloud/lib/modules"), modules] if modules else []
        initrd = initramfs(pathlib.Path(folder) / "initrd", "--token", token, *additions, script=script)
        line = command(vmm, kernel=kernel or GUESTS / "vmlinuz-cloud", initrd=initrd, memory=memory, cpus=cpus, mode=mode,
                       append=f"console=ttyS0 quiet panic=-1 {append}".strip()) + list(words)
        started = time.monotonic()
        try:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise GuestError(f"cannot run {line[0]}: {error.strerror}") from error
        try:
            status, text, seen, errors = _follow(process, token, started + timeout, output, console)
        except BaseException:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        _, wait_status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(wait_status)
        wall = time.monotonic() - started
    last_words = (seen[-2000:] + errors[-2000:]).decode(errors="replace").strip()
    if status is None:
        raise GuestError(f"the guest ended before the script did ({vmm} exit status {process.returncode}); it last said:\n{last_words}")
    if process.returncode:
        raise GuestError(f"the script ended, but {vmm} did with exit status {process.returncode}:\n{last_words}")
    return Outcome(status, text, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _follow(process, token, deadline, output, console):
    """Reads until both pipes are closed: (script status or None, script output, all of the console, error text)."""
    begin = f"\n<{token} begin>\n".encode()
    end = re.compile(f"\n<{token} end ([0-9]+)>\n".encode())
    longest_end = len(begin) + 4  # "end 255" for "begin", with room
    seen, errors, text = bytearray(), bytearray(), bytearray()
    position = None  # in `seen`: script output up to here has been passed on
    status = None
    pipes = [process.stdout, process.stderr]
    while pipes:
        ready = select.select(pipes, [], [], max(0.0, deadline - time.monotonic()))[0]
        if not ready:
            raise GuestError("the guest did not finish in time; it last said:\n" + seen[-2000:].decode(errors="replace").strip())
        for pipe in ready:
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                pipes.remove(pipe)
                continue
            if pipe is process.stderr:
                errors += chunk
                continue
            seen += chunk
            if console:
                console(chunk)
        if position is None and (found := seen.find(begin)) >= 0:
            position = found + len(begin)
        if position is None or status is not None:
            continue
        match = end.search(seen, position)
        if match:
            status, stop = int(match[1]), match.start()
        else:  # hold back what may be the start of the end marker
            newline = seen.rfind(b"\n", position)
            stop = newline if 0 <= newline and len(seen) - newline < longest_end else len(seen)
        if stop > position:
            text += seen[position:stop]
            if output:
                output(bytes(seen[position:stop]))
            position = stop
    return status, bytes(text), bytes(seen), bytes(errors)

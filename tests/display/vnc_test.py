#!/usr/bin/env python3
"""The screen, keyboard and mouse of a whole machine, as a VNC viewer and softmetal screenshot meet them."""
import argparse
import atexit
import os
import pathlib
import queue
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from rfb_client import RfbClient

RED, GREEN, BLUE, WHITE, BLACK = 0xff0000, 0x00ff00, 0x0000ff, 0xffffff, 0
RETURN, SHIFT, CONTROL = 0xff0d, 0xffe1, 0xffe3


class Machine:
    """softmetal run with the painting guest, and the lines it prints."""

    def __init__(self, program, guest, folder, *options):
        self.folder = pathlib.Path(folder)
        self.address = f"unix:{folder}/vnc"
        self.control = f"{folder}/control"
        self.process = subprocess.Popen(
            [program, "run", "--kernel", guest, "--memory", "64M", "--vnc", self.address, "--control", self.control, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)  # a test that fails leaves nothing running
        self.lines = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.expect("ready")

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def expect(self, *wanted):
        for line in wanted:
            got = self.lines.get(timeout=30)
            assert got == line, f"the guest printed {got}, not {line}"

    def finish(self):
        out, error = self.process.communicate(timeout=30)
        return self.process.returncode, error


def pixel(picture, x, y):
    width, _, data = picture
    return struct.unpack_from("<I", data, (y * width + x) * 4)[0] & 0xffffff


PAINTED = {(0, 0): RED, (15, 15): RED, (16, 0): BLACK, (100, 50): GREEN, (115, 65): GREEN, (99, 50): BLACK,
           (0, 700): BLUE, (15, 715): BLUE, (15, 716): BLACK}


def wrong_pixels(picture):
    """Where the picture is not what the guest paints; empty if it is."""
    if picture[:2] != (1024, 768):
        return [picture[:2]]
    return [(x, y, hex(pixel(picture, x, y))) for (x, y), colour in PAINTED.items() if pixel(picture, x, y) != colour]


def looks_painted(picture):
    assert not wrong_pixels(picture), wrong_pixels(picture)


def wait_for_picture(viewer, is_there):
    """Frames come a moment after the guest has drawn, and one may be taken while it draws."""
    deadline = time.monotonic() + 20
    while not is_there(picture := viewer.picture()):
        assert time.monotonic() < deadline, (picture[:2], wrong_pixels(picture))


def read_png(path):
    """Of 8-bit RGB without interlacing, as the command writes it."""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, height = 8, b"", 0, 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, colours, interlaced) == (8, 2, 0)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    raw, stride = zlib.decompress(packed), width * 3
    above, out = bytearray(stride), bytearray()
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        if kind:
            for i in range(stride):
                left = line[i - 3] if i >= 3 else 0
                corner = above[i - 3] if i >= 3 else 0
                up = above[i]
                paeth = min((left, up, corner), key=lambda v: abs(left + up - corner - v))
                line[i] = (line[i] + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
        for i in range(0, stride, 3):
            out += bytes((line[i + 2], line[i + 1], line[i], 0))
        above = line
    return width, height, bytes(out)


def keys(machine, viewer, keysym, down, *codes):
    viewer.key(keysym, down)
    machine.expect(*(f"k{code:02x}" for code in codes))


def test_picture_keys_and_pointer(program, guest, folder):
    machine = Machine(program, guest, folder)
    machine.expect("mfa")  # the mouse has acknowledged
    viewer = RfbClient(machine.address)
    assert viewer.name == "Softmetal"
    looks_painted(viewer.picture())

    keys(machine, viewer, ord("c"), True, 0x2e)
    keys(machine, viewer, ord("c"), False, 0xae)
    keys(machine, viewer, ord("@"), True, 0x2a, 0x03, 0xaa)  # Shift and 2
    keys(machine, viewer, ord("@"), False, 0x83)
    keys(machine, viewer, 0xff53, True, 0xe0, 0x4d)  # right
    keys(machine, viewer, 0xff53, False, 0xe0, 0xcd)
    keys(machine, viewer, CONTROL, True, 0x1d)

    viewer.pointer(100, 100)
    viewer.pointer(110, 95)
    machine.expect("m08", "m0a", "m05")
    viewer.pointer(110, 95, 4)  # the right button
    machine.expect("m0a", "m00", "m00")

    # A second viewer sees the same. What the first held goes up when it leaves.
    second = RfbClient(machine.address)
    looks_painted(second.picture())
    viewer.socket.shutdown(socket.SHUT_RDWR)
    machine.expect("k9d")

    # Screenshots of the running machine are what the viewer sees.
    shot = machine.folder / "shot.png"
    subprocess.run([program, "screenshot", "--control", machine.control, shot], check=True, timeout=30)
    assert read_png(shot) == second.picture()

    # Another mode: the viewer is told the new size.
    keys(machine, second, ord("a"), True, 0x1e)
    wait_for_picture(second, lambda p: p[:2] == (640, 480) and pixel(p, 320, 240) == WHITE and pixel(p, 0, 0) == BLACK)

    # A reset: the viewer stays connected and sees the machine that starts anew.
    second.key(ord("b"), True)
    machine.expect("k30", "ready", "mfa")
    second.key(ord("b"), False)
    wait_for_picture(second, lambda p: not wrong_pixels(p))
    second.key(ord("q"), True)
    status, error = machine.finish()
    assert status == 0, (status, error)
    assert re.search(r"VNC viewers can connect to ", error), error
    assert not (machine.folder / "vnc").exists() and not pathlib.Path(machine.control).exists()


def test_password_and_last_picture(program, guest, folder):
    folder = pathlib.Path(folder)
    (folder / "password").write_text("geheim12\n")
    machine = Machine(program, guest, folder, "--vnc-password-file", folder / "password", "--keyboard", "de",
                      "--screenshot", folder / "last.png")
    machine.expect("mfa")
    for wrong in ("geheim13", "x"):
        try:
            RfbClient(machine.address, wrong)
            raise AssertionError("a wrong password was taken")
        except PermissionError:
            pass
    viewer = RfbClient(machine.address, "geheim12")
    keys(machine, viewer, ord("z"), True, 0x15)
    keys(machine, viewer, ord("z"), False, 0x95)
    keys(machine, viewer, ord("@"), True, 0xe0, 0x38, 0x10)  # AltGr and Q: the guest powers off at that
    status, error = machine.finish()
    assert status == 0, (status, error)
    looks_painted(read_png(folder / "last.png"))


def test_strangers_do_no_harm(program, guest, folder):
    """Viewers that send nonsense, or nothing, or leave at any moment."""
    machine = Machine(program, guest, folder)
    machine.expect("mfa")
    chance = random.Random(5)
    for round in range(30):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(f"{folder}/vnc")
            if round % 3:
                stranger.sendall(b"RFB 003.008\n\x01\x01"[:chance.randrange(15)])
            try:
                stranger.sendall(chance.randbytes(chance.randrange(2000)))
            except (BrokenPipeError, ConnectionResetError):
                pass
    viewer = RfbClient(machine.address)
    looks_painted(viewer.picture())
    viewer.key(ord("q"), True)
    status, error = machine.finish()
    assert status == 0 and "VNC server is gone" not in error, (status, error)


def test_window(program, guest, folder, window):
    """A window on a display that nobody sees: it lives as long as the machine, resets and another mode included."""
    machine = Machine(program, guest, folder)
    machine.expect("mfa")
    shown = subprocess.Popen([window, "--control", machine.control], stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "SDL_VIDEODRIVER": "dummy"})
    atexit.register(shown.kill)
    viewer = RfbClient(machine.address)
    time.sleep(1)
    for key, codes in (("a", ["k1e", "k9e"]), ("b", ["k30", "ready", "mfa"]), ("c", ["kae"])):
        viewer.key(ord(key), True)
        viewer.key(ord(key), False)
        while codes:
            line = machine.lines.get(timeout=30)
            if line in codes:
                codes.remove(line)
    time.sleep(1)
    assert shown.poll() is None, shown.communicate()
    viewer.key(ord("q"), True)
    assert machine.finish()[0] == 0
    error = shown.communicate(timeout=30)[1]
    assert shown.returncode == 0, error
    late = subprocess.run([window, "--control", machine.control], stderr=subprocess.PIPE, text=True, timeout=30)
    assert late.returncode == 4 and late.stderr.count("\n") == 1 and "cannot connect" in late.stderr, late


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("guest")
    parser.add_argument("window", nargs="?", help="softmetal-window, where it was built")
    arguments = parser.parse_args()
    for test in (test_picture_keys_and_pointer, test_password_and_last_picture, test_strangers_do_no_harm):
        with tempfile.TemporaryDirectory() as folder:
            test(arguments.program, arguments.guest, folder)
        print(f"{test.__name__}: passed")
    if arguments.window:
        with tempfile.TemporaryDirectory() as folder:
            test_window(arguments.program, arguments.guest, folder, arguments.window)
        print("test_window: passed")


if __name__ == "__main__":
    sys.exit(main())

"""A machine that boots a medium, watched through its screen as a person at a viewer does."""
import itertools
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/display"))
sys.path.insert(0, str(ROOT / "tools/guest"))
import vmm  # noqa: E402
from rfb_client import RfbClient  # noqa: E402
from screen_text import read_text  # noqa: E402

RETURN, ESCAPE, TAB, DOWN, UP, CONTROL = 0xff0d, 0xff1b, 0xff09, 0xff54, 0xff52, 0xffe3


class Failure(Exception):
    """The guest did not do what it should; the text says what."""


class MediaMachine:
    def __init__(self, name, pictures, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="softmetal-")
        self.name, self.pictures, self.numbers = name, pictures, itertools.count(1)
        self.control = f"{self.folder.name}/control"
        self.errors = open(f"{self.folder.name}/errors", "w+")
        self.process = subprocess.Popen(
            [vmm.SOFTMETAL, "run", *map(str, options), "--on-reset", "exit", "--vnc", f"unix:{self.folder.name}/vnc", "--control", self.control],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors)
        self.viewer = None

    def __enter__(self):
        deadline = time.monotonic() + 20
        while self.viewer is None:
            try:
                self.viewer = RfbClient(f"unix:{self.folder.name}/vnc")
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"no machine: {self.last_words() or error}") from error
                time.sleep(0.1)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None and self.viewer:
            self.photograph()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.folder.cleanup()

    def last_words(self):
        self.errors.seek(0)
        return self.errors.read().strip()[:500]

    def photograph(self):
        """Keeps what the screen shows, for a person to look at."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        file = self.pictures / f"{self.name}-{next(self.numbers)}.png"
        subprocess.run([vmm.SOFTMETAL, "screenshot", "--control", self.control, file], check=False)
        return file

    def picture(self):
        if self.process.poll() is not None:
            raise Failure(f"the machine ended with status {self.process.returncode}: {self.last_words()}")
        return self.viewer.picture()

    def wait_until(self, what, found, seconds):
        """The first true value of found(picture)."""
        deadline = time.monotonic() + seconds
        while not (value := found(self.picture())):
            if time.monotonic() > deadline:
                shown = "\n".join(line for line in read_text(self.viewer.picture()) if line)
                raise Failure(f"{what}: not within {seconds} s; {shown or self.photograph()}")
            time.sleep(0.5)
        return value

    def expect(self, pattern, seconds):
        """Waits for text on a text screen."""
        return self.wait_until(f"'{pattern}' on the screen", lambda picture: re.search(pattern, "\n".join(read_text(picture))), seconds)

    def press(self, *keysyms):
        for keysym in keysyms:
            self.viewer.key(keysym, True)
            self.viewer.key(keysym, False)
            time.sleep(0.2)

    def press_control(self, letter):
        self.viewer.key(CONTROL, True)
        self.press(ord(letter))
        self.viewer.key(CONTROL, False)

    def type(self, text):
        self.viewer.type(text)

    def click(self, x, y):
        self.viewer.pointer(x, y)
        time.sleep(0.5)
        self.viewer.pointer(x, y, 1)
        time.sleep(0.2)
        self.viewer.pointer(x, y)


def colour(picture, x, y):
    """Of a point, as 0xRRGGBB; None beside the picture."""
    width, height, data = picture
    if x >= width or y >= height:
        return None
    at = (y * width + x) * 4
    return int.from_bytes(data[at:at + 3], "little")

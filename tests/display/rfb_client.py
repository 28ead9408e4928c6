"""A small RFB 3.8 client (RFC 6143) for tests: handshake, raw updates, NewFBSize, keys and pointer. It checks what it gets."""
import socket
import struct
import subprocess
import threading
import time

RAW, NEW_SIZE = 0, -223


def des_encrypt(key, block):
    """DES of one 8-byte block, as VNC authentication uses it (the caller has mirrored the key's bits); FIPS 46-3."""
    done = subprocess.run(["openssl", "enc", "-des-ecb", "-K", key.hex(), "-nopad", "-provider", "legacy", "-provider", "default"],
                          input=block, capture_output=True, check=True)
    return done.stdout


class RfbClient:
    def __init__(self, address, password=None, timeout=20):
        if address.startswith("unix:"):
            for _ in range(100):
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.settimeout(timeout)
                try:
                    self.socket.connect(address[5:])
                    break
                except BlockingIOError:  # others are waiting to be let in
                    time.sleep(0.1)
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)), timeout)
        version = self.read(12)
        assert version.startswith(b"RFB 003."), version
        self.socket.sendall(b"RFB 003.008\n")
        kinds = self.read(self.read(1)[0])
        if password is None:
            assert 1 in kinds, f"the server wants a password: {kinds}"
            self.socket.sendall(b"\x01")
        else:
            assert kinds == b"\x02", f"the server asks for no password: {kinds}"
            self.socket.sendall(b"\x02")
            key = bytes(int(f"{b:08b}"[::-1], 2) for b in password.encode().ljust(8, b"\0")[:8])
            challenge = self.read(16)
            self.socket.sendall(des_encrypt(key, challenge[:8]) + des_encrypt(key, challenge[8:]))
        if struct.unpack(">I", self.read(4))[0] != 0:
            raise PermissionError("the server refuses")
        self.socket.sendall(b"\x01")  # shared
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        # 32 bits, true colour, blue in the lowest byte
        self.socket.sendall(struct.pack(">Bxxx", 0) + struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.socket.sendall(struct.pack(">BxHii", 2, 2, RAW, NEW_SIZE))
        self.pixels = bytearray(self.width * self.height * 4)
        # Updates are read as they come: a server that cannot send must wait, or give its viewer up.
        self.socket.settimeout(None)
        self.changed = threading.Condition()
        self.drawn = 0  # updates that had pixels
        self.ended = None
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            while True:
                self._update()
        except (OSError, EOFError, AssertionError) as error:
            with self.changed:
                self.ended = error
                self.changed.notify_all()

    def read(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError("the server closed the connection")
            data += part
        return bytes(data)

    def ask(self, incremental=True):
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def _update(self):
        kind = self.read(1)[0]
        if kind == 2:  # the bell
            return
        assert kind == 0, f"message {kind}"
        count = struct.unpack(">xH", self.read(3))[0]
        for _ in range(count):
            x, y, w, h, encoding = struct.unpack(">HHHHi", self.read(12))
            if encoding == NEW_SIZE:
                with self.changed:
                    self.width, self.height = w, h
                    self.pixels = bytearray(w * h * 4)
                continue
            assert encoding == RAW and x + w <= self.width and y + h <= self.height, (x, y, w, h, encoding)
            data = self.read(w * h * 4)
            with self.changed:
                for row in range(h):
                    at = ((y + row) * self.width + x) * 4
                    self.pixels[at:at + 4 * w] = data[row * w * 4:(row + 1) * w * 4]
        with self.changed:
            self.drawn += 1
            self.changed.notify_all()

    def picture(self):
        """Width, height and pixels after another update of everything."""
        with self.changed:
            while True:
                size, drawn = (self.width, self.height), self.drawn
                self.ask(incremental=False)
                assert self.changed.wait_for(lambda: self.ended or self.drawn > drawn, 30), "no update comes"
                if self.ended:
                    raise self.ended
                if size == (self.width, self.height):
                    return self.width, self.height, bytes(self.pixels)

    def key(self, keysym, down):
        self.socket.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, text):
        for character in text:
            keysym = {"\n": 0xff0d, "\t": 0xff09, "€": 0x20ac}.get(character, ord(character))
            self.key(keysym, True)
            self.key(keysym, False)

    def pointer(self, x, y, buttons=0):
        self.socket.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def write_ppm(self, path):
        rgb = bytearray(self.width * self.height * 3)
        for to, at in ((0, 2), (1, 1), (2, 0)):
            rgb[to::3] = self.pixels[at::4]
        with open(path, "wb") as file:
            file.write(b"P6 %d %d 255\n" % (self.width, self.height) + rgb)

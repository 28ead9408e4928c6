"""A small RFB 3.8 client (RFC 6143) for tests: handshake, raw updates, NewFBSize, keys and pointer. It checks what it is sent."""
import socket
import struct
import time

RAW, NEW_SIZE = 0, -223


def des_encrypt(key, block):
    """DES of one 8-byte block, as VNC authentication uses it (the caller has mirrored the key's bits); FIPS 46-3."""
    import subprocess
    hexkey = key.hex()
    done = subprocess.run(["openssl", "enc", "-des-ecb", "-K", hexkey, "-nopad", "-provider", "legacy", "-provider", "default"],
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

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError("the server closed the connection")
            data += part
        return data

    def ask(self, incremental=True):
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def update(self):
        """Takes one update in; the number of rectangles that had pixels."""
        while True:
            kind = self.read(1)[0]
            if kind == 0:
                break
            assert kind == 2, f"message {kind}"  # 2 is the bell
        count = struct.unpack(">xH", self.read(3))[0]
        drawn = 0
        for _ in range(count):
            x, y, w, h, encoding = struct.unpack(">HHHHi", self.read(12))
            if encoding == NEW_SIZE:
                self.width, self.height = w, h
                self.pixels = bytearray(w * h * 4)
                continue
            assert encoding == RAW and x + w <= self.width and y + h <= self.height, (x, y, w, h, encoding)
            data = self.read(w * h * 4)
            drawn += 1
            for row in range(h):
                at = ((y + row) * self.width + x) * 4
                self.pixels[at:at + 4 * w] = data[row * w * 4:(row + 1) * w * 4]
        return drawn

    def whole_picture(self):
        size = None
        while size != (self.width, self.height):
            size = (self.width, self.height)
            self.ask(incremental=False)
            while self.update() == 0:
                self.ask(incremental=False)
        return bytes(self.pixels)

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

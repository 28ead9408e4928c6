"""Work across Python's standard library whose printed results are the same on every Python 3.9 or newer."""
import bz2
import decimal
import fractions
import hashlib
import itertools
import json
import lzma
import math
import random
import re
import sqlite3
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

random.seed(1998)
data = random.randbytes(300_000) + bytes(range(256)) * 800
for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"):
    print(name, hashlib.new(name, data).hexdigest()[:32])
print("crc", zlib.crc32(data), zlib.adler32(data))
for codec in (zlib, bz2, lzma):
    assert codec.decompress(codec.compress(data)) == data, codec

decimal.getcontext().prec = 60
print("decimal", decimal.Decimal(2).sqrt(), (decimal.Decimal(1) / 7).exp())
print("fraction", sum(fractions.Fraction(1, n) for n in range(1, 120)))
print("big", hashlib.md5(str(math.factorial(1500)).encode()).hexdigest(), pow(3, 10**40, 10**30 + 57))
print("float", [math.sin(x) * math.exp(-x / 7) for x in range(3)], math.fsum([0.1] * 10), (0.1 + 0.2).hex())
print("struct", struct.pack("<QdfhB", 2**63, math.pi, 1.5, -3, 255).hex())
text = " ".join("".join(random.choices("abcdefgh", k=random.randint(2, 9))) for _ in range(20_000))
print("re", len(re.findall(r"\b(a\w*?)([bc]+)\b", text)), hashlib.md5(re.sub(r"(\w)\1+", r"<\1>", text).encode()).hexdigest())
tree = {"list": list(range(50)), "nested": [{"k": i, "v": [i / 3] * 3} for i in range(100)], "text": text[:500]}
assert json.loads(json.dumps(tree)) == tree
print("json", hashlib.md5(json.dumps(tree, sort_keys=True).encode()).hexdigest())
print("sort", hashlib.md5(repr(sorted(text.split(), key=lambda word: (len(word), word))).encode()).hexdigest())
print("permutations", sum(a * b - c for a, b, c in itertools.permutations(range(40), 3)))
database = sqlite3.connect(":memory:")
database.execute("create table words (word text, place integer)")
database.executemany("insert into words values (?, ?)", [(word, place) for place, word in enumerate(text.split())])
print("sqlite", database.execute("select word, count(*), sum(place) from words group by word order by 2 desc, 1 limit 3").fetchall())
with ThreadPoolExecutor(4) as pool:
    print("threads", sum(pool.map(lambda n: sum(i * i % 7 for i in range(n)), range(0, 8000, 50))))

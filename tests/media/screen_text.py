"""Reads the text off a picture of a VGA text screen, by the font in the video BIOS that drew it."""
import functools
import pathlib

VIDEO_BIOS = "/usr/share/seabios/vgabios-stdvga.bin"
CELL_WIDTH, CELL_HEIGHT, GLYPH_WIDTH = 9, 16, 8
# What the font draws at 0x41, by which it is found.
LETTER_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")


@functools.cache
def _characters():
    """From the rows of a glyph to its character."""
    image = pathlib.Path(VIDEO_BIOS).read_bytes()
    first = image.index(LETTER_A) - 0x41 * CELL_HEIGHT
    glyphs = {}
    for code in range(255, -1, -1):  # the lower of equal ones stays
        rows = image[first + code * CELL_HEIGHT:first + (code + 1) * CELL_HEIGHT]
        glyphs[rows] = bytes([code]).decode("cp437") if code >= 0x20 else "?"
    glyphs[bytes(CELL_HEIGHT)] = " "
    glyphs[bytes([0xff] * CELL_HEIGHT)] = "█"
    return glyphs


@functools.cache
def _character(cell):
    """Of a cell's rows of pixels: one colour is the ground, the other draws the glyph."""
    rows = [[row[at:at + 3] for at in range(0, 4 * GLYPH_WIDTH, 4)] for row in cell]
    colours = {colour for row in rows for colour in row}
    if len(colours) > 2:
        return "?"
    for ground in colours:
        bits = bytes(sum(0x80 >> x for x, colour in enumerate(row) if colour != ground) for row in rows)
        if (known := _characters().get(bits)) is not None:
            return known
    return "?"


def read_text(picture):
    """The lines of a text screen of 80 columns; none where the picture is no such screen."""
    width, height, data = picture
    if width != 80 * CELL_WIDTH or height % CELL_HEIGHT:
        return []
    lines = []
    for top in range(0, height, CELL_HEIGHT):
        line = ""
        for left in range(0, width, CELL_WIDTH):
            starts = [((top + y) * width + left) * 4 for y in range(CELL_HEIGHT)]
            line += _character(tuple(data[at:at + 4 * GLYPH_WIDTH] for at in starts))
        lines.append(line.rstrip())
    return lines

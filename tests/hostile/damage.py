"""Images that are not what they should be: forged ones, each with what it must
be refused for, and damaged ones by seed."""
import random
import struct
import subprocess
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
SIDE = 16


# ---- PNG --------------------------------------------------------------------

def chunk(kind, data=b"", length=None, crc=None):
    if crc is None:
        crc = zlib.crc32(kind + data)
    return (struct.pack(">I", len(data) if length is None else length) + kind +
            data + struct.pack(">I", crc))


def header(width=SIDE, height=SIDE, depth=8, colour=2, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour,
                                      0, 0, interlace))


def rows(channels=3, depth=8, filter_type=0, side=SIDE):
    row = bytes([filter_type]) + bytes(range(side * channels * depth // 8))
    return row * side


def png(*chunks):
    return PNG + b"".join(chunks) + chunk(b"IEND")


def pixels(data=None):
    return chunk(b"IDAT", zlib.compress(rows() if data is None else data))


def forged_png():
    """Rows: name, bytes, words of the reason; None: it is a good image, "":
    any reason, "?": refused or taken."""
    whole = png(header(), pixels())
    packed = zlib.compress(rows())
    apng = png(header(), chunk(b"acTL", struct.pack(">II", 2, 0)),
               chunk(b"fcTL", bytes(26)), pixels(),
               chunk(b"fcTL", bytes(26)), chunk(b"fdAT", bytes(4) + packed))
    bomb = zlib.compress(bytes(64 << 20), 9)
    return [
        ("whole", whole, None),
        ("apng", apng, None),
        ("sixteen-bit", png(header(depth=16), pixels(rows(depth=16))), None),
        ("two-idats", png(header(), chunk(b"IDAT", packed[:9]),
                          chunk(b"IDAT", packed[9:])), None),
        ("behind-the-end", whole + b"more", None),
        ("damaged-text", png(header(), chunk(b"tEXt", b"a\0b", crc=1),
                             pixels()), None),
        ("nothing", b"", "the file is empty"),
        ("text", b"no image", "neither a PNG nor a JPEG"),
        ("gif", b"GIF89a" + bytes(40), "neither a PNG nor a JPEG"),
        ("bmp", b"BM" + bytes(60), "neither a PNG nor a JPEG"),
        ("webp", b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20),
         "neither a PNG nor a JPEG"),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
         "neither a PNG nor a JPEG"),
        ("magic-only", PNG, "cut off"),
        ("half-a-header", whole[:20], "cut off"),
        ("no-end", whole[:-12], "cut off"),
        ("idat-of-2-gib", png(header(), chunk(b"IDAT", packed, 0x7fffffff)),
         "cut off"),
        ("idat-of-4-gib", png(header(), chunk(b"IDAT", packed, 0xffffffff)),
         "cut off"),
        ("idat-too-long", png(header(), chunk(b"IDAT", packed, 70000)),
         "cut off"),
        ("idat-too-short", png(header(), chunk(b"IDAT", packed, 5)),
         "checksum"),
        ("wrong-checksum", png(header(), chunk(b"IDAT", packed, crc=7)),
         "checksum"),
        ("idat-bomb", png(header(), chunk(b"IDAT", bomb)),
         "more memory than an image of 16 x 16"),
        ("too-few-pixels", png(header(), pixels(rows()[:100])),
         "not enough pixels"),
        ("no-pixels", png(header()), ""),
        ("empty-pixels", png(header(), chunk(b"IDAT")), ""),
        ("not-deflated", png(header(), chunk(b"IDAT", b"\xff" * 50)), ""),
        ("filter-9", png(header(), pixels(rows(filter_type=9))),
         "invalid filter"),
        ("no-header", png(pixels()), ""),
        ("two-headers", png(header(), header(), pixels()), ""),
        ("long-header", PNG + chunk(b"IHDR", bytes(99)) + pixels(), ""),
        ("no-width", png(header(width=0), pixels()), ""),
        ("no-height", png(header(height=0), pixels()), ""),
        ("huge", png(header(60000, 60000), pixels()), "a damaged header"),
        ("65536-wide", png(header(65536, 1), pixels()), ""),
        ("2-gib-wide", png(header(0x7fffffff, 1), pixels()), ""),
        ("negative", png(header(0xffffffff, 0xffffffff), pixels()), ""),
        ("64-megapixels-of-nothing", png(header(8192, 8192), pixels()), ""),
        ("depth-3", png(header(depth=3), pixels()), ""),
        ("depth-255", png(header(depth=255), pixels()), ""),
        ("colour-5", png(header(colour=5), pixels()), ""),
        ("colour-255", png(header(colour=255), pixels()), ""),
        ("interlace-2", png(header(interlace=2), pixels()), ""),
        ("interlaced-in-name-only", png(header(interlace=1), pixels()), "?"),
        ("no-palette", png(header(colour=3), pixels(rows(1))), ""),
        ("short-palette", png(header(colour=3), chunk(b"PLTE", b"\1\2\3"),
                              pixels(rows(1))), "?"),
        ("odd-palette", png(header(colour=3), chunk(b"PLTE", b"\1\2"),
                            pixels(rows(1))), ""),
        ("long-palette", png(header(colour=3), chunk(b"PLTE", bytes(900)),
                             pixels(rows(1))), ""),
        ("long-transparency", png(header(colour=3), chunk(b"PLTE", bytes(3)),
                                  chunk(b"tRNS", bytes(300)),
                                  pixels(rows(1))), ""),
        ("late-transparency", png(header(), pixels(),
                                  chunk(b"tRNS", bytes(6))), ""),
        ("unknown-chunk", png(header(), chunk(b"ABCD", b"x"), pixels()), ""),
        ("apple", png(chunk(b"CgBI", bytes(4)), header(), pixels()), "?"),
        ("10000-chunks", png(header(), *[chunk(b"teXt")] * 10000, pixels()),
         None),
    ]


def mend(data):
    """A damaged PNG with checksums that are right again."""
    out, at = bytearray(data), 8
    while data[:4] == PNG[:4] and len(out) - at >= 12:
        n = struct.unpack_from(">I", out, at)[0]
        if n > len(out) - at - 12:
            break
        struct.pack_into(">I", out, at + 8 + n,
                         zlib.crc32(out[at + 4:at + 8 + n]))
        at += 12 + n
    return bytes(out)


# ---- JPEG -------------------------------------------------------------------

def segments(data):
    """(marker, whole segment) of a JPEG; what follows a scan's header up to
    the next marker belongs to it."""
    out, at = [(0xd8, data[:2])], 2
    while data[at + 1] != 0xd9:
        marker, end = data[at + 1], at + 2
        end += struct.unpack_from(">H", data, end)[0]
        if marker == 0xda:
            while data[end] != 0xff or data[end + 1] in (0, *range(0xd0, 0xd8)):
                end += 1
        out.append((marker, data[at:end]))
        at = end
    return out + [(0xd9, data[at:])]


def join(parts):
    return b"".join(part for _, part in parts)


def without(data, marker):
    return join(p for p in segments(data) if p[0] != marker)


def changed(data, marker, at, *values):
    """With bytes of the first segment of a kind replaced; 0 is the first
    behind its length."""
    out, done = [], False
    for kind, part in segments(data):
        if kind == marker and not done:
            part, done = bytearray(part), True
            part[4 + at:4 + at + len(values)] = bytes(values)
        out.append((kind, bytes(part)))
    return join(out)


def forged_jpeg(plain, progressive):
    """Frame: precision, height (2), width (2), components, then number,
    sampling, table of each. Scan: components, number and tables of each,
    first, last, bits."""
    frame, late, scan = 0xc0, 0xc2, 0xda
    scans = [p for p in segments(progressive) if p[0] == scan]
    start = [p for p in segments(progressive) if p[0] not in (scan, 0xd9)]
    end = [(0xd9, b"\xff\xd9")]
    many = join(start + scans[:1] + scans[1:2] * 2000 + end)
    return [
        ("plain", plain, None),
        ("progressive", progressive, None),
        ("jpeg-magic-only", b"\xff\xd8\xff", "no frame"),
        ("jpeg-end-at-once", b"\xff\xd8\xff\xd9", "no frame"),
        ("jpeg-cut", plain[:len(plain) // 2], ""),
        ("progressive-cut", progressive[:len(progressive) // 2], ""),
        ("no-frame", without(plain, frame), "no frame"),
        ("no-scan", without(plain, scan), "no pixels"),
        ("no-codes", without(plain, 0xc4), "?"),
        ("no-quantisation", without(plain, 0xdb), "?"),
        ("two-frames", join(segments(plain)[:1] +
                            [p for p in segments(plain) if p[0] == frame] +
                            segments(plain)[1:]), "?"),
        ("jpeg-huge", changed(plain, frame, 1, 255, 255, 255, 255),
         "65535 x 65535 pixels"),
        ("jpeg-60-megapixels", changed(plain, frame, 1, 4, 0, 235, 0),
         "too few for 60160 x 1024 pixels"),
        ("progressive-60-megapixels",
         changed(progressive, late, 1, 4, 0, 235, 0),
         "too few for 60160 x 1024 pixels"),
        ("jpeg-no-height", changed(plain, frame, 1, 0, 0), ""),
        ("jpeg-no-width", changed(plain, frame, 3, 0, 0), ""),
        ("twelve-bit", changed(plain, frame, 0, 12), ""),
        ("no-components", changed(plain, frame, 5, 0), ""),
        ("two-components", changed(plain, frame, 5, 2), ""),
        ("cmyk-in-name-only", changed(plain, frame, 5, 4), "CMYK"),
        ("no-sampling", changed(plain, frame, 7, 0), ""),
        ("sampling-15", changed(plain, frame, 7, 0xff), ""),
        ("sampling-3-2", changed(plain, frame, 7, 0x33), "?"),
        ("table-9", changed(plain, frame, 8, 9), ""),
        ("unknown-component", changed(plain, scan, 1, 99), ""),
        ("code-table-9", changed(plain, scan, 2, 0x99), ""),
        ("scan-backwards", changed(progressive, scan, 7, 60, 3), ""),
        ("scan-beyond", changed(progressive, scan, 7, 0, 200), ""),
        ("too-many-codes", changed(plain, 0xc4, 1, *[255] * 16),
         "code table"),
        ("arithmetic", plain.replace(b"\xff\xc0", b"\xff\xc9", 1), ""),
        ("lossless", plain.replace(b"\xff\xc0", b"\xff\xc3", 1), ""),
        ("first-scan-only", join(start + scans[:1] + end), "?"),
        ("no-first-scan", join(start + scans[1:] + end), "?"),
        ("2000-scans", many, "?"),
        ("restarts-that-do-not-come",
         join(segments(plain)[:1] + [(0xdd, b"\xff\xdd\0\4\0\1")] +
              segments(plain)[1:]), "?"),
        ("only-fill", b"\xff\xd8\xff" + b"\xff" * 1000, "no frame"),
    ]


# ---- Damage by seed ---------------------------------------------------------

def zzuf(data, seed, ratio):
    return subprocess.run(["zzuf", "-s", str(seed), "-r", str(ratio)],
                          input=data, capture_output=True, check=True).stdout


def cut(data, draw):
    return data[:draw.randrange(len(data))]


def splice(data, draw):
    """A piece of it is put somewhere else, or left out."""
    a, b = sorted(draw.randrange(len(data)) for _ in range(2))
    at = draw.randrange(len(data))
    piece = data[a:b] if draw.random() < 0.7 else b""
    return data[:at] + piece + data[draw.randrange(at, len(data)):]


def damaged(good, i, seed):
    """(name, bytes) of the image number i; good is a list of the same."""
    name, data = good[i % len(good)]
    draw = random.Random(seed * 1000003 + i)
    kind = draw.choices(["zzuf", "mended", "cut", "splice"], [5, 3, 1, 1])[0]
    if kind == "cut":
        out = cut(data, draw)
    elif kind == "splice":
        out = splice(data, draw)
    else:
        out = zzuf(data, seed * 1000003 + i,
                   draw.choice([0.0005, 0.002, 0.004, 0.01, 0.05]))
    if kind == "mended" or (kind == "splice" and draw.random() < 0.5):
        out = mend(out)
    return "%s-%06d-%s" % (kind, i, name), out

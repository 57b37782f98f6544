"""The reader reads what Rust wrote, and refuses and finds what the crate's reader does.

The test `python` of the crate gives further files in `UVEC_CASES`: as many as it wrote, each with what Rust says of it.
"""

import json
import os
import struct
import tempfile
import unittest
import zlib
from pathlib import Path

import numpy as np

import codes
import uvec
from verify import verify

GOLDEN = Path(__file__).resolve().parent.parent / "tests/golden"
FILES = ["v0.uvec", "v0-hubs.uvec", "v0-derived.uvec", "v0-cells.uvec"]
SOUND, REFUSED, DAMAGED = 0, 1, 2


def golden(name):
    return uvec.Uvec(GOLDEN / name)


def outcome(data):
    """What is said of the bytes, and a checksum over all values that are read where they are sound."""
    try:
        file = uvec.Uvec(data)
    except ValueError as error:
        return REFUSED, 0, str(error)
    damage = verify(file)
    if damage:
        return DAMAGED, 0, damage
    crc = zlib.crc32(struct.pack("<IQ", file.documents, file.rejected) + file.reason.encode())
    for name, of in file.media.items():
        crc = zlib.crc32(name.encode(), crc)
        for key in uvec.NAMES.values():
            crc = zlib.crc32(of[key].tobytes() if key in of else b"", crc)
    return SOUND, crc, []


class Reads(unittest.TestCase):
    def test_known_values(self):
        file = golden("v0.uvec")
        self.assertEqual(verify(file), [])
        self.assertEqual(file.space, b"the space of the golden file 012")
        self.assertEqual((file.documents, file.rejected, file.footer), (6, 3, None))
        self.assertEqual(file.reason, "value 7 of document 2 is NaN — skipped")
        self.assertEqual(list(file.media), ["image", "text", "vidéo"])
        image, text, video = file.media.values()
        bits = [0x3C00, 0x4000, 0xC000, 0x3800, 0x2E66, 0x7BFF, 0, 0, 0, 0xBE00, 0x0001, 0x3400]
        self.assertEqual(image["vectors"].view("<u2").tolist(), np.reshape(bits, (4, 3)).tolist())
        self.assertEqual((image["docs"].tolist(), image["ordinals"].tolist()), ([0, 2, 2, 5], [0, 1, 2, 0]))
        self.assertTrue((image["spans"] == uvec.NONE).all())
        self.assertEqual(image["hashes"].tolist(), np.arange(64).reshape(4, 16).tolist())
        self.assertEqual(image["halves"].tolist(), [[0.5, -0.25], [1.0, float(np.float16(0.1))], [0, 0], [-3.0, 1024.0]])
        self.assertEqual(image["inverse_norms"][[0, 2]].tolist(), [float(np.float32(1 / 3)), 0.0])
        self.assertEqual(text["vectors"].tolist(), np.float32([[3, 4], [0.1, -1e-20], [1e30, -0.0]]).tolist())
        self.assertEqual(text["spans"].tolist(), [[0, 17], [17, 17], [5, uvec.NONE - 1]])
        self.assertEqual(text["inverse_norms"].tolist(), np.float32([0.2, 10.0, 1e-30]).tolist())
        self.assertNotIn("halves", text)
        self.assertEqual({key: values.shape for key, values in video.items() if key in ("vectors", "docs")}, {"vectors": (0, 5), "docs": (0,)})

    def test_values_stand_in_the_mapped_file(self):
        file = golden("v0.uvec")
        for of in list(file.media.values())[:2]:
            for values in of.values():
                self.assertTrue(np.shares_memory(values, file.data))
                self.assertFalse(values.flags.writeable)

    def test_hubs(self):
        file, without = golden("v0-hubs.uvec"), golden("v0.uvec")
        expected = [[0.5 - i, (i + 1) / 3 * 1e-9] for i in range(4)]
        np.testing.assert_allclose(file.media["image"]["hubs"], expected, rtol=1e-6)
        self.assertEqual(file.media["text"]["hubs"].tolist(), [[0.5], [-0.5], [-1.5]])
        self.assertEqual(file.media["vidéo"]["hubs"].shape, (0, 2))
        for name, of in without.media.items():
            for key, values in of.items():
                self.assertEqual(values.tobytes(), file.media[name][key].tobytes())

    def test_derived_sections(self):
        file = golden("v0-derived.uvec")
        self.assertEqual(file.derived(2000, "image").tolist(), [[0.5, 1.0, -2.0], [0.0, 0.25, 65504.0]])
        self.assertEqual(file.derived(2001, "image").tolist(), [[2], [0], [3], [1], [2]])
        self.assertEqual(file.derived(2001).shape, (0, 4))
        self.assertIsNone(file.derived(2000, "text"))
        self.assertIsNone(file.derived(16, "image"))

    def test_codes_are_near_the_vectors(self):
        file = golden("v0-cells.uvec")
        self.assertEqual(codes.read(file, "text"), (None, []))
        read, bad = codes.read(file, "image")
        self.assertEqual(bad, [])
        self.assertEqual((read.ends.tolist(), len(read.rows), read.centres.shape), ([17, 17, 40], 40, (3, 43)))
        self.assertEqual(read.model, b"the model of the golden file 012")
        self.assertEqual(read.curves[:, :3].tolist(), [[0, 0, 10], [1, 0, 10], [1, 1, 10], [9, 1, 10]])
        rows = read.rows.tolist()
        self.assertEqual(rows, [r for r in range(40) if r * 7 % 40 < 17] + [r for r in range(40) if r * 7 % 40 >= 17])
        # All elements of a row together are its vector, but for what the last of each direction rounds away.
        f, b, o, m = codes.parts(35)
        self.assertEqual((f, b, o, m), (24, 8, 11, 35))
        middles = np.repeat([7.5, 7.5, 1.5, 7.5], [f, b, o, m])
        values = (np.concatenate([read.short, read.long], 1) - middles) * read.steps
        numbers = values[:, f + b + o :].copy()
        numbers[:, :f] += values[:, :f]
        numbers[:, :b] += values[:, f : f + b]
        numbers[:, f:] += values[:, f + b : f + b + o]
        vectors = file.media["image"]["vectors"].astype("f4")[rows]
        error = np.abs(read.mean + numbers @ read.directions - vectors)
        last = read.steps[f + b + o :] @ read.directions
        is_inside = np.zeros((40, 35), bool)
        is_inside[:] = ((read.long > 0) & (read.long < 15)) @ np.abs(read.directions) > 0
        self.assertGreater(is_inside.mean(), 0.5)
        self.assertLessEqual((error - last / 2)[is_inside].max(), 1e-6)

    def test_a_footer_is_taken_away(self):
        whole = (GOLDEN / "v0.uvec").read_bytes()
        payload = json.dumps({"version": {"major": 0}, "crc": zlib.crc32(whole)}).encode()
        end = struct.pack("<II", len(payload), 1337)
        file = uvec.Uvec(whole + payload + end)
        self.assertEqual((file.documents, file.footer, verify(file)), (6, payload, []))
        wrong = payload.replace(b"crc", b"cra")
        self.assertEqual(verify(uvec.Uvec(whole + wrong + end)), ["the footer names no checksum"])
        wrong = payload[:-1] + b"1}"
        damage = verify(uvec.Uvec(whole + wrong + struct.pack("<II", len(wrong), 1337)))
        self.assertEqual(damage, ["the footer has another checksum"])
        deep = b"[" * 50000
        damage = verify(uvec.Uvec(whole + deep + struct.pack("<II", len(deep), 1337)))
        self.assertEqual(damage, ["the footer names no checksum"])
        for length in (50001, 2**32 - 1):
            with self.assertRaisesRegex(ValueError, "footer"):
                uvec.Uvec(whole + b" " * 50001 + struct.pack("<II", length, 1337))


class Damage(unittest.TestCase):
    def test_every_flip_is_found(self):
        for name in FILES:
            whole = bytearray((GOLDEN / name).read_bytes())
            self.assertEqual(outcome(bytes(whole))[0], SOUND)
            for at in range(0, len(whole), 1 if len(whole) < 3000 else 11):
                whole[at] ^= 0x10
                self.assertNotEqual(outcome(bytes(whole))[0], SOUND, f"{name}, byte {at}")
                whole[at] ^= 0x10

    def test_every_cut_is_refused(self):
        whole = (GOLDEN / "v0.uvec").read_bytes()
        for length in range(len(whole)):
            self.assertEqual(outcome(whole[:length])[0], REFUSED, length)
        with tempfile.TemporaryDirectory() as place:
            for content in (b"", b"x", whole[:500]):
                path = Path(place, "cut.uvec")
                path.write_bytes(content)
                with self.assertRaises(ValueError):
                    uvec.Uvec(path)

    @unittest.skipUnless("UVEC_CASES" in os.environ, "UVEC_CASES names no file; the crate's test `python` writes one")
    def test_files_of_rust_read_alike(self):
        cases, at, seen = Path(os.environ["UVEC_CASES"]).read_bytes(), 0, [0, 0, 0]
        while at < len(cases):
            said, crc, length = struct.unpack_from("<BII", cases, at)
            data = cases[at + 9 : at + 9 + length]
            got, own_crc, why = outcome(data)
            self.assertEqual((got, own_crc), (said, crc), f"file {sum(seen)} of {length} bytes: {why}")
            seen[got] += 1
            at += 9 + length
        self.assertGreater(min(seen), 100)
        print(f"{seen[SOUND]} sound, {seen[REFUSED]} refused, {seen[DAMAGED]} damaged: as Rust says")


if __name__ == "__main__":
    unittest.main()

"""What is watched of a command, with one of Python's own."""

import sys
import unittest

import watched

WORK = """
import time
held = bytearray(64 << 20)
until = time.process_time() + 0.2
while time.process_time() < until:
    pass
time.sleep(0.1)
print('{"held": %d}' % len(held))
"""


class Watched(unittest.TestCase):
    def test_json_seconds_and_memory(self):
        report, seconds, used, peak = watched.watched([sys.executable, "-c", WORK])
        self.assertEqual(report, {"held": 64 << 20})
        self.assertGreater(seconds, 0.3)
        self.assertGreaterEqual(used, 0.2)
        self.assertTrue(64 < peak["RssAnon"] < 200, peak)
        self.assertGreater(peak["RssFile"], 0)

    def test_a_command_that_fails_says_why(self):
        with self.assertRaisesRegex(SystemExit, "-c raise .*: exit 1: no such thing$"):
            watched.watched([sys.executable, "-c", "raise SystemExit('no such thing')"])

    def test_peaks_are_the_most_of_all(self):
        peak = {"RssAnon": 7, "RssFile": 7}
        watched.raised(peak, "Name:\tx\nRssAnon:\t      12 kB\nRssFile:\t       3 kB\nVmRSS:\t 99 kB\n")
        self.assertEqual(peak, {"RssAnon": 12, "RssFile": 7})


if __name__ == "__main__":
    unittest.main()

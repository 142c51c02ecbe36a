"""The rules of the house: lengths, arrows between rooms, format, and configurations that are accepted."""
import json
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUMB = os.environ.get("TEST_PLUMB", str(ROOT / "build/release/trainer/plumb"))
ROOMS = ["core", "data", "parallel"] + [f"trainer/{p.name}" for p in sorted((ROOT / "trainer").iterdir()) if p.is_dir()]

# What a room may include besides itself; core is open to all. docs/design.md has the picture.
BELOW = {
    "core": [],
    "data": [],
    "parallel": [],
    "trainer/formats": [],
    "trainer/ops": [],
    "trainer/model": ["trainer/ops", "trainer/formats", "data", "parallel"],
    "trainer/families": ["trainer/model", "trainer/formats", "data"],
    "trainer/engine": ["trainer/model", "trainer/ops", "trainer/formats", "data", "parallel"],
}
MIDDLE = ["trainer/generate", "trainer/checkpoint"]
UPPER = ["trainer/tune", "trainer/evaluate", "trainer/export", "trainer/ledger"]
GROUND = list(BELOW)
for room in MIDDLE:
    BELOW[room] = GROUND
for room in UPPER:
    BELOW[room] = GROUND + MIDDLE
BELOW["trainer/run"] = GROUND + MIDDLE + UPPER
BELOW["trainer/commands"] = ["data"]  # `plumb` itself links no LibTorch
BELOW["trainer/jobs"] = GROUND + MIDDLE + UPPER + ["trainer/run", "trainer/commands"]


def sources(*suffixes):
    for folder in ("core", "data", "parallel", "trainer", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (suffixes or (".h", ".cpp", ".cu")):
                yield path


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[:2]) if parts[0] == "trainer" and len(parts) > 2 else parts[0]


def blank(text):
    """The source with comments, strings and characters blanked, so that braces can be counted."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![\w])\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', spaces, text, flags=re.S)


def functions(path):
    """(first line, number of lines, heading) of every function body: a brace that follows a parameter list."""
    text = blank(path.read_text(encoding="utf-8"))
    found, opened = [], []
    for at, char in enumerate(text):
        if char == "{":
            head = re.split(r"[;{}]", text[max(0, at - 600):at])[-1]
            is_function = re.search(r"\)\s*(const|noexcept|override|final|->[^()]*|:[^:].*)*\s*$", head, re.S) and not re.match(
                r"\s*(if|for|while|switch|else|do|catch|namespace|return)\b", head.strip()) and "[" not in head.split("(")[0]
            opened.append((at, head.strip().splitlines()[0] if head.strip() else "", bool(is_function)))
        elif char == "}" and opened:
            begin, heading, is_function = opened.pop()
            if is_function:
                found.append((text.count("\n", 0, begin) + 1, text.count("\n", begin, at) + 1, heading))
    return found


class House(unittest.TestCase):
    def test_no_file_over_500_lines(self):
        long = [f"{p.relative_to(ROOT)}: {n}" for p in sources(".h", ".cpp", ".cu", ".py")
                if (n := len(p.read_text(encoding="utf-8").splitlines())) > 500]
        self.assertEqual(long, [])

    def test_main_is_under_60_lines(self):
        self.assertLess(len((ROOT / "trainer/main.cpp").read_text().splitlines()), 60)

    def test_no_function_over_70_lines(self):
        long, seen = [], 0
        for path in sources():
            for line, length, heading in functions(path):
                seen += 1
                if length > 70:
                    long.append(f"{path.relative_to(ROOT)}:{line}: {length} lines: {heading}")
        self.assertGreater(seen, 200, "the search must find functions, or it says nothing")
        self.assertEqual(long, [])

    def test_arrows_only_go_down(self):
        wrong = []
        for path in sources():
            room = room_of(path)
            if room in ("tests", "trainer"):
                continue
            for included in re.findall(r'#include "([^"]+)"', path.read_text(encoding="utf-8")):
                target = room_of(ROOT / included)
                if target not in ROOMS:
                    wrong.append(f"{path.relative_to(ROOT)} includes {included}, which is not written from the root")
                elif target not in [room, "core"] + BELOW.get(room, []):
                    wrong.append(f"{path.relative_to(ROOT)} includes {included}")
        self.assertEqual(wrong, [])

    def test_every_room_has_a_rule(self):
        self.assertEqual(sorted(BELOW), sorted(ROOMS))

    def test_no_words_that_promise_work(self):
        words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
        found = [str(p.relative_to(ROOT)) for p in sources(".h", ".cpp", ".cu", ".py")
                 if p != Path(__file__).resolve() and words.search(p.read_text(encoding="utf-8"))]
        self.assertEqual(found, [])

    def test_format(self):
        version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True).stdout if shutil.which("clang-format") else ""
        if "version 14." not in version:
            self.skipTest("clang-format 14 is not installed; other versions break lines differently")
        files = [str(p) for p in sources(".h", ".cpp")]
        done = subprocess.run(["clang-format", "--dry-run", *files], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(sorted({line.split(":")[0] for line in done.stderr.splitlines() if "warning:" in line}), [])


class Configurations(unittest.TestCase):
    def setUp(self):
        if not Path(PLUMB).exists():
            self.skipTest("plumb is not built")

    def test_what_one_script_switches_off_does_not_stay_off(self):
        """CMake caches -D: scripts/demo builds without the tests, and scripts/test configures the same folder after it. A
        preset that names the variable sets it again at every configuration."""
        presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
        named = set.intersection(*(set(p["cacheVariables"]) for p in presets if "inherits" not in p))
        for script in sorted(p for p in (ROOT / "scripts").iterdir() if p.is_file()):
            for line in script.read_text(encoding="utf-8").splitlines():
                if "configure_and_build" in line and "build/release" in line:
                    given = set(re.findall(r"-D(\w+)=", line))
                    self.assertLessEqual(given, named, f"{script.name}: {line.strip()}")

    def test_every_example_is_accepted(self):
        examples = sorted((ROOT / "configs").rglob("*.yaml"))
        self.assertGreater(len(examples), 8)
        for path in examples:
            with self.subTest(path.name):
                done = subprocess.run([PLUMB, "config", "check", path], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()

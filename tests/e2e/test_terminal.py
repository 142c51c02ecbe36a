"""What a person at a terminal sees of a run, and presses."""
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import unittest
from pathlib import Path

from support import ENVIRONMENT, PLUMB, RunFolder

CLEAR = "\r\x1b[K"


class Terminal(RunFolder):
    def start(self, *words, columns=80):
        """Runs in a session of its own, whose terminal this is: Ctrl-C reaches it as it does a person's."""
        screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def take_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        process = subprocess.Popen([PLUMB, *map(str, words)], cwd=self.folder, env=dict(ENVIRONMENT, TERM="xterm"), stdin=terminal,
                                   stdout=terminal, stderr=terminal, start_new_session=True, preexec_fn=take_terminal)
        os.close(terminal)
        self.addCleanup(os.close, screen)
        self.addCleanup(process.kill)
        return process, screen

    def read(self, screen, until=None):
        """What comes up to a text, or to the end."""
        seen = b""
        while until is None or until.encode() not in seen:
            try:
                more = os.read(screen, 65536)
            except OSError:  # nobody has the terminal any more
                more = b""
            if not more:
                self.assertIsNone(until, seen.decode(errors="replace"))
                break
            seen += more
        return seen.decode()

    def test_lines_last_and_the_bar_stands_below_them(self):
        for columns in (80, 60):
            config = self.config(steps=60, save="20 steps")
            process, screen = self.start("train", config, f"output.folder=run{columns}", "output.progress=auto",
                                         "output.log_every=7 steps", "eval.every=10 steps", "train.micro_batch_size=1",
                                         "train.global_batch_size=32", columns=columns)
            seen = self.read(screen)
            self.assertEqual(process.wait(), 0, seen)
            rows = [row.removesuffix("\r").split(CLEAR) for row in seen.split("\n")]
            lasting = [row[-1] for row in rows]
            logged = (self.folder / f"run{columns}/log.txt").read_text().splitlines()
            self.assertEqual([row for row in lasting if row in set(logged)], logged)
            steps = [row for row in lasting if row.startswith("step  ")]
            self.assertEqual(len(steps), 10)  # 1, 7, ... 56, 60
            for part in ("loss ", "lr ", "tok/s", "GEMM ", "iB", "ETA "):
                self.assertIn(part, steps[1])
            self.assertEqual([row for row in lasting if "training  " in row], [])
            bars = [bar for row in rows for bar in row[:-1] if "/60 steps" in bar]
            self.assertGreater(len(bars), 3, seen)
            for bar in bars:
                self.assertLess(len(bar), columns)
                self.assertRegex(bar, r"\d+/60 steps  \d+\.\d%  .*loss \d\.\d{4}$")
            self.assertEqual(any("[" in bar for bar in bars), columns == 80)

    def test_ctrl_c_saves_and_the_same_command_goes_on(self):
        config = self.config(steps=40)
        words = ("train", config, "output.log_every=1 steps", "output.progress=auto", "train.global_batch_size=64")
        process, screen = self.start(*words)
        self.read(screen, "step  2/")
        os.write(screen, b"\x03")
        said = self.read(screen)
        self.assertEqual(process.wait(), 75, said)
        stopped = [row.split(CLEAR)[-1].strip() for row in said.split("\n")][-3:-1]
        self.assertRegex(stopped[0], r"^stopped   on request or time limit at step \d+; the same command goes on from there$")
        self.assertRegex(stopped[1], r"^model     run, step-\d+; next: plumb generate run --prompt TEXT, plumb export run OUT$")
        step = int(stopped[0].split("step ")[1].split(";")[0])
        self.assertLess(step, 40)
        self.assertTrue((self.folder / f"run/step-{step}").is_dir())
        process, screen = self.start(*words)
        said = self.read(screen)
        self.assertEqual(process.wait(), 0, said)
        self.assertIn(f"resume    from step-{step}, ", said)
        self.assertIn("model     run, step-40; next: plumb generate run --prompt TEXT, plumb export run OUT", said)

    def test_a_second_ctrl_c_ends_at_once(self):
        config = self.config(steps=40, micro=1)
        process, screen = self.start("train", config, "output.progress=auto", "train.global_batch_size=4000")
        self.read(screen, "step  1/")
        process.send_signal(signal.SIGINT)
        self.read(screen, "stopping  after this step, which is saved; a second Ctrl-C ends at once")
        process.send_signal(signal.SIGINT)
        said = self.read(screen)
        self.assertEqual(process.wait(), -signal.SIGINT, said)
        self.assertEqual(list((self.folder / "run").glob("step-*")), [])

    def test_rows_left_out_are_told(self):
        rows = [json.dumps({"prompt": f"a {i}", "completion": f"b {i}"}) for i in range(80)]
        rows[20] = '{"prompt": "a"'
        rows[30:32] = [json.dumps({"prompt": f"a {i}", "completion": ""}) for i in range(2)]
        rows[40:42] = [json.dumps({"prompt": f"a {i}", "completion": "\u200b"}) for i in range(2)]  # repaired to nothing
        (self.folder / "rows.jsonl").write_text("".join(row + "\n" for row in rows))
        config = self.config(steps=1)
        config.write_text(config.read_text().replace("path: text.txt, format: text}]", "path: rows.jsonl, format: prompt_completion}], clean: {repair: true}"))
        said = self.plumb("train", config).stderr
        found = [row for row in said.splitlines() if row.startswith("left out  ")]
        self.assertEqual(len(found), 1, said)
        self.assertRegex(found[0], r"^left out  3 malformed and 2 empty \(no text or no answer\) of 80 documents: see (\S+)/quarantine.jsonl and "
                                   r"`plumb data report \1`; first .*rows.jsonl:21: ")
        folder = found[0].split("see ")[1].split("/quarantine.jsonl")[0]
        quarantined = [json.loads(line) for line in Path(folder, "quarantine.jsonl").read_text().splitlines()]
        self.assertEqual([row["where"] for row in quarantined], ["rows.jsonl:21", "rows.jsonl:31", "rows.jsonl:32"])
        self.assertEqual(quarantined[1]["reason"], 'field "completion": expected an answer, found an empty text; hint: fill the answer in, or take the row out')
        self.plumb("data", "report", folder)
        built = self.plumb("data", "build", config).stdout
        self.assertIn(f"  left out        {found[0][10:]}\n", built)
        self.assertNotIn("left out  ", self.plumb("train", self.config(steps=1), "output.folder=clean").stderr)


if __name__ == "__main__":
    unittest.main()

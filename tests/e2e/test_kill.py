"""Killed anywhere, started again: the same bits as the unbroken run, and never without a good checkpoint."""
import os
import random
import signal
import subprocess
import time
import unittest
from pathlib import Path

from support import ENVIRONMENT, PLUMB, RunFolder

STEPS = 60


def plumb_processes(folder):
    """Pids of ranks of the run in `folder`."""
    ours = [str(Path(PLUMB).resolve().with_name(name)) for name in ("plumb", "plumb-engine")]
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder) and os.readlink(f"/proc/{pid}/exe") in ours:
                found.append(int(pid))
        except OSError:
            pass
    return found


class Kill(RunFolder):
    def start(self, config, ranks, folder):
        command = ["mpirun", "-n", str(ranks), PLUMB, "train", str(config), f"output.folder={folder}"]
        return subprocess.Popen(command, cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_once(self, config, ranks, folder, delay, whom, rng):
        process = self.start(config, ranks, folder)
        time.sleep(delay)
        if process.poll() is None:
            pids = plumb_processes(self.folder)
            if whom == "mpirun":
                process.kill()
                self.killed += 1
            elif pids:
                for pid in pids if whom == "all" else [rng.choice(pids)]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                        self.killed += 1
                    except ProcessLookupError:
                        pass
        process.wait(timeout=120)
        deadline = time.time() + 60
        while plumb_processes(self.folder) and time.time() < deadline:
            time.sleep(0.05)  # ranks notice that mpirun is gone
        self.assertEqual(plumb_processes(self.folder), [], "no rank may stay behind")

    def test_twenty_kills_then_the_same_bits(self):
        rng = random.Random(20)
        config = self.config(steps=STEPS, save="3 steps", parallel=", zero: 2")
        begin = time.time()
        self.plumb("train", config, "output.folder=unbroken", ranks=2)
        whole = time.time() - begin
        unbroken = self.losses("unbroken")
        kills = 0
        newest = 0
        self.killed = 0
        while kills < 20:
            self.kill_once(config, 2, "killed", rng.uniform(0.2, 1.2) * whole, rng.choice(["one", "all", "mpirun"]), rng)
            kills += 1
            steps = [int(p.name[5:]) for p in (self.folder / "killed").glob("step-*") if p.name[5:].isdigit()]
            if steps:
                self.assertGreaterEqual(max(steps), newest, "the last good checkpoint is never lost")
                newest = max(steps)
            if newest == STEPS:  # it came to its end: start over, so that all 20 moments fall into a run
                self.compare(unbroken, "killed")
                os.rename(self.folder / "killed", self.folder / f"finished-{kills}")
                newest = 0
        self.assertGreater(self.killed, 10, "most of the 20 moments met a process")
        self.plumb("train", config, "output.folder=killed", ranks=2)
        self.compare(unbroken, "killed")

    def compare(self, unbroken, folder):
        found = self.losses(folder)
        self.assertEqual(sorted(found), sorted(unbroken))
        for step, values in found.items():
            for value in values:
                self.assertEqual(value, unbroken[step][0], f"step {step}")

    def test_resume_on_another_rank_count(self):
        config = self.config(steps=20, save="5 steps", parallel=", zero: 3")
        self.plumb("train", config, "output.folder=unbroken", ranks=2)
        # A limit this short ends each start after one step: 1 to 4 ranks take turns, the last one goes to the end.
        for ranks in (2, 4, 1, 4, 1, 2):
            done = self.plumb("train", config, "output.folder=other", "train.time_limit=0.001s", ranks=ranks, check=False)
            self.assertEqual(done.returncode, 75, done.stderr)
        self.assertTrue((self.folder / "other/step-6").exists())
        self.plumb("train", config, "output.folder=other", ranks=4)
        expected, found = self.losses("unbroken"), self.losses("other")
        self.assertEqual(sorted(expected), sorted(found))
        for step in expected:
            for value in found[step]:
                self.assertLess(abs(value - expected[step][0]) / value, 1e-5)


class Signals(RunFolder):
    def test_usr1_saves_and_stops_with_75(self):
        config = self.config(steps=100000, save="none")
        process = subprocess.Popen([PLUMB, "train", str(config)], cwd=self.folder, env=ENVIRONMENT,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        metrics = self.folder / "run/metrics.jsonl"
        deadline = time.time() + 120
        while not metrics.exists() and time.time() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 75, output)
        steps = [int(p.name[5:]) for p in (self.folder / "run").glob("step-*")]
        self.assertEqual(len(steps), 1)
        self.assertEqual(max(self.losses("run")), max(steps), "the checkpoint holds the last step that was computed")


if __name__ == "__main__":
    unittest.main()

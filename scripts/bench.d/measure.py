"""What a bench needs besides the two sides: memory of a process tree, the machine's ceilings, medians, intervals."""
import random
import statistics
import threading
import time
from pathlib import Path


def tree(root):
    """Process ids of `root` and all below it."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        found.append(queue.pop())
        queue.extend(children.get(found[-1], []))
    return found


class PeakMemory:
    """Highest sum of resident memory over a process tree, sampled ten times a second."""

    def __init__(self, pid):
        self.pid, self.peak, self.running = pid, 0, True
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while self.running:
            total = 0
            for pid in tree(self.pid):
                try:
                    total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
                except (OSError, IndexError, ValueError):
                    continue
            self.peak = max(self.peak, total)
            time.sleep(0.1)

    def stop(self):
        self.running = False
        self.thread.join()
        return self.peak


def gemm_rate(threads, size=1024, seconds=0.4):
    """fp32 GEMM in FLOP/s on this machine, now."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.randn(size, size), torch.randn(size, size)
    torch.mm(a, b)
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        torch.mm(a, b)
        done += 1
    return done * 2 * size**3 / (time.perf_counter() - begin)


def copy_rate(seconds=0.3):
    """Memory traffic of a copy in bytes/s (read and written), now."""
    import torch

    a = torch.zeros(64 * 1024 * 1024 // 4)
    b = torch.empty_like(a)
    b.copy_(a)
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        b.copy_(a)
        done += 1
    return done * 2 * a.numel() * 4 / (time.perf_counter() - begin)


def median_interval(values, confidence=0.95, rounds=4000):
    """Median with its bootstrap interval; seeded."""
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(rounds))
    edge = int(rounds * (1 - confidence) / 2)
    return statistics.median(values), medians[edge], medians[-1 - edge]

"""plumb and PyTorch in alternating turns; see scripts/bench."""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import PeakMemory, copy_rate, gemm_rate, median_interval

HERE = Path(__file__).resolve().parent
MODELS = {
    "tiny": dict(layers=4, heads=4, width=128, inner=344, context=64, batch=12, steps=400),
    "10m": dict(layers=6, heads=6, width=384, inner=1024, context=256, batch=8, steps=12),
}
CONFIG = """
model: {{family: llama, hidden_size: {width}, intermediate_size: {inner}, num_hidden_layers: {layers},
        num_attention_heads: {heads}, num_key_value_heads: {heads}, max_position_embeddings: {context}}}
tokenizer: {{type: bytes}}
data: {{sources: [{{path: text.txt, format: text}}], sequence_length: {context}, shuffle: false, cache: cache}}
train: {{steps: {total}, global_batch_size: {batch}, micro_batch_size: {micro}, learning_rate: {rate}, precision: fp32}}
parallel: {{threads: {threads}}}
output: {{folder: {folder}, log_every: "{steps} steps", progress: none, checkpoint: {{every: none}}{export}}}
eval: {{every: none}}
"""


class Bench:
    def __init__(self, options, name):
        self.options, self.name, self.m = options, name, MODELS[name]
        self.folder = Path(tempfile.mkdtemp(prefix="plumb-bench-"))
        (self.folder / "text.txt").write_text(text_of(Path(options.root)))
        self.runs = 0

    def plumb(self, ranks, steps, rate="1e-3", export=False):
        """One run: tokens/s after the first step, seconds to the first step, peak memory."""
        self.runs += 1
        folder = self.folder / f"run{self.runs}"
        text = CONFIG.format(**{**self.m, "steps": steps}, total=steps + 1, micro=self.m["batch"] // ranks, rate=rate,
                             threads=2 // ranks, folder=folder.name,
                             export=", export: {formats: [hf], dtype: fp32}" if export else "")
        config = self.folder / f"run{self.runs}.yaml"
        config.write_text(text)
        command = [self.options.plumb, "train", str(config)]
        if ranks > 1:
            command = ["mpirun", "-n", str(ranks), *command]
        environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        begin = time.time()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        memory, first = PeakMemory(process.pid), None
        metrics = folder / "metrics.jsonl"
        while process.poll() is None:
            if first is None and metrics.exists() and metrics.stat().st_size > 0:
                first = time.time() - begin
            time.sleep(0.02)
        if process.returncode != 0:
            sys.exit(process.stdout.read().decode() + f"\nplumb ended with {process.returncode}")
        lines = [json.loads(line) for line in metrics.read_text().splitlines()]
        steps_seen = [line for line in lines if "loss" in line]
        first_line, last = steps_seen[0], steps_seen[-1]
        tokens, seconds = last["tokens"] - first_line["tokens"], last["seconds"] - first_line["seconds"]
        if not export:
            shutil.rmtree(folder)
        return {"tokens_per_second": tokens / seconds, "first_step_seconds": first or 0, "memory": memory.stop(),
                "loss": last["loss"], "folder": folder}

    def weights(self):
        """plumb's initial weights: they depend on seed and name alone, and a vanishing rate leaves them alone."""
        return self.plumb(1, 1, rate="1e-30", export=True)["folder"] / "export/hf"


class Peer:
    def __init__(self, bench, kind, weights):
        self.kind, self.processes = kind, []
        ranks = 2 if kind == "ddp" else 1
        port = free_port()
        for rank in range(ranks):
            command = [sys.executable, str(HERE / "peer.py"), "--weights", str(weights), "--text", str(bench.folder / "text.txt"),
                       "--batch", str(bench.m["batch"]), "--context", str(bench.m["context"]), "--kind", kind,
                       "--threads", str(2 // ranks)]
            environment = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1",
                               MASTER_PORT=str(port), OMP_NUM_THREADS=str(2 // ranks))
            self.processes.append(subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL))
        self.memory = [PeakMemory(process.pid) for process in self.processes]
        self.first_step_seconds = self.read()["first_step_seconds"]

    def read(self):
        line = self.processes[0].stdout.readline()
        if not line:
            sys.exit(f"the {self.kind} peer ended, see above")
        return json.loads(line)

    def turn(self, steps):
        self.processes[0].stdin.write(f"go {steps}\n")
        self.processes[0].stdin.flush()
        return self.read()

    def close(self):
        self.processes[0].stdin.close()
        for process in self.processes:
            process.wait()
        return sum(memory.stop() for memory in self.memory)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def text_of(root):
    """About a megabyte of real text, as bytes < 128 (one byte a token on both sides)."""
    shared, made = root.parent / "shared/data/text/tiny_shakespeare.txt", root / "runs/demo/text/general.jsonl"
    if shared.exists():
        text = shared.read_text()
    else:
        if not made.exists():
            subprocess.run([root / "scripts/demo-texts"], check=True, stdout=subprocess.DEVNULL)
        text = "\n".join(json.loads(line)["text"] for line in made.read_text().splitlines()[:3000])
    return text.encode("ascii", "ignore").decode()


def flops_per_token(m, vocabulary=259):
    """Matrix products of forward and backward; attention counted causally. The embedding is a look-up."""
    matrices = m["layers"] * (4 * m["width"] ** 2 + 3 * m["width"] * m["inner"]) + vocabulary * m["width"]
    return 6 * matrices + 6 * m["layers"] * m["width"] * m["context"]


def compare(bench, kinds, pairs):
    """One peer process or group at a time stays alive; turns alternate, and which side begins alternates too."""
    weights, m = bench.weights(), bench.m
    rows = []
    for kind in kinds:
        ranks = 2 if kind == "ddp" else 1
        peer = Peer(bench, kind, weights)
        ours, theirs, gemms, firsts, memories = [], [], [], [], []
        for pair in range(pairs):
            gemms.append(gemm_rate(2))
            for side in ("plumb", "peer") if pair % 2 == 0 else ("peer", "plumb"):
                if side == "plumb":
                    run = bench.plumb(ranks, m["steps"])
                    ours.append(run["tokens_per_second"])
                    firsts.append(run["first_step_seconds"])
                    memories.append(run["memory"])
                else:
                    theirs.append(peer.turn(m["steps"])["tokens_per_second"])
            print(f"  {bench.name} {kind} pair {pair + 1}: plumb {ours[-1]:,.0f} tok/s, peer {theirs[-1]:,.0f}, "
                  f"ratio {ours[-1] / theirs[-1]:.2f}", file=sys.stderr)
        memory = peer.close()
        ratio, low, high = median_interval([a / b for a, b in zip(ours, theirs)])
        gemm = statistics.median(gemms)
        rows.append(dict(model=bench.name, peer=kind, pairs=pairs, ratio=ratio, low=low, high=high,
                         plumb=statistics.median(ours), other=statistics.median(theirs), gemm=gemm,
                         plumb_share=statistics.median(ours) * flops_per_token(m) / gemm,
                         other_share=statistics.median(theirs) * flops_per_token(m) / gemm,
                         plumb_memory=max(memories), other_memory=memory,
                         plumb_first=statistics.median(firsts), other_first=peer.first_step_seconds))
    return rows


def print_rows(rows):
    print(f"{'model':6}{'peer':9}{'pairs':>6}  {'ratio (95 %)':20}{'plumb tok/s':>13}{'peer tok/s':>12}"
          f"{'GEMM share':>14}{'peak memory MB':>17}{'first step s':>15}")
    for r in rows:
        interval = f"{r['ratio']:.2f} ({r['low']:.2f} to {r['high']:.2f})"
        print(f"{r['model']:6}{r['peer']:9}{r['pairs']:>6}  {interval:20}{r['plumb']:>13,.0f}{r['other']:>12,.0f}"
              f"{r['plumb_share']:>7.0%}{r['other_share']:>7.0%}"
              f"{r['plumb_memory'] / 1e6:>9,.0f}{r['other_memory'] / 1e6:>8,.0f}"
              f"{r['plumb_first']:>8.1f}{r['other_first']:>7.1f}")
    print("pairs of numbers: plumb, peer; the GEMM share counts attention causally, against PyTorch's own\nfp32 GEMM on 2 threads in the same minutes: above 100% where plumb's kernels are faster than that")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--plumb", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--root", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--models", default="tiny,10m")
    parser.add_argument("--peers", default="eager,compile,ddp")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--out")
    options = parser.parse_args()
    print(f"machine: GEMM {gemm_rate(2) / 1e9:.0f} GFLOP/s fp32 on 2 threads, copy {copy_rate() / 1e9:.1f} GB/s", file=sys.stderr)
    rows = []
    for name in options.models.split(","):
        bench = Bench(options, name)
        try:
            rows += compare(bench, options.peers.split(","), options.pairs)
        finally:
            shutil.rmtree(bench.folder, ignore_errors=True)
    print_rows(rows)
    if options.out:
        Path(options.out).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

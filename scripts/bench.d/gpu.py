"""The two measurements of scripts/gpu-check: CPU against CUDA over 50 steps, and the GPU step beside PyTorch."""
import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

CONFIG = """
model: {{family: llama, hidden_size: {width}, intermediate_size: {inner}, num_hidden_layers: {layers},
        num_attention_heads: {heads}, num_key_value_heads: {heads}, max_position_embeddings: {context}}}
tokenizer: {{type: bytes}}
data: {{sources: [{{path: text.txt, format: text}}], sequence_length: {context}, shuffle: false, cache: cache}}
train: {{steps: {steps}, global_batch_size: {batch}, micro_batch_size: {micro}, learning_rate: {rate}, precision: {precision}}}
parallel: {{device: {device}}}
output: {{folder: {folder}, log_every: "{every} steps", progress: none, checkpoint: {{every: none}}{export}}}
eval: {{every: none}}
"""
SMALL = dict(width=256, inner=704, layers=4, heads=4, context=128, batch=16, micro=16)
LARGE = dict(width=1024, inner=2816, layers=12, heads=16, context=1024, batch=32, micro=16)


def text(size):
    """Text with structure to learn, the same everywhere."""
    rng, words = random.Random(1), ["the", "king", "speaks", "of", "war", "and", "peace", "to", "his", "people", "night"]
    out = []
    while size > 0:
        out.append(" ".join(rng.choices(words, k=12)).capitalize() + ".\n")
        size -= len(out[-1])
    return "".join(out)


class Folder:
    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="plumb-gpu-"))
        (self.path / "text.txt").write_text(text(4_000_000))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def train(self, plumb, name, **values):
        values = {"rate": "1e-3", "every": 1, "export": "", **values}
        config = self.path / f"{name}.yaml"
        config.write_text(CONFIG.format(folder=name, **values))
        done = subprocess.run([plumb, "train", config], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            sys.exit(f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}\nplumb ended with {done.returncode}")
        lines = (self.path / name / "metrics.jsonl").read_text().splitlines()
        return [entry for entry in map(json.loads, lines) if "loss" in entry]


def parity(options):
    with Folder() as folder:
        losses = {}
        for device in ("cpu", "cuda"):
            steps = folder.train(options.plumb, device, device=device, steps=50, precision="fp32", **SMALL)
            losses[device] = [entry["loss"] for entry in steps]
    worst = max(abs(a - b) / abs(a) for a, b in zip(losses["cpu"], losses["cuda"]))
    fell = losses["cpu"][0] - losses["cpu"][-1]
    print(f"losses of 50 steps in fp32, largest relative difference between CPU and CUDA: {worst:.2e} (bound 1e-4); "
          f"the loss fell by {fell:.2f}")
    return {"worst": worst, "losses": losses}, worst < 1e-4 and fell > 0.5 and len(losses["cuda"]) == 50


class Peer:
    def __init__(self, folder, weights, kind, shape):
        command = [sys.executable, str(HERE / "peer.py"), "--weights", str(weights), "--text", str(folder.path / "text.txt"),
                   "--batch", str(shape["batch"]), "--context", str(shape["context"]), "--kind", kind, "--device", "cuda",
                   "--precision", "bf16"]
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.first = self.read()["first_step_seconds"]

    def read(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit("the PyTorch peer ended, see above")

    def rate(self, steps):
        self.process.stdin.write(f"go {steps}\n")
        self.process.stdin.flush()
        return self.read()["tokens_per_second"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def gpu_rate():
    """bf16 GEMM in FLOP/s on this GPU, now."""
    import torch

    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    for _ in range(3):
        a @ a
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(10):
        a @ a
    end.record()
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (begin.elapsed_time(end) / 1e3)


def speed(options):
    shape, steps, pairs = LARGE, 20, 3
    matrices = shape["layers"] * (4 * shape["width"] ** 2 + 3 * shape["width"] * shape["inner"]) + 259 * shape["width"]
    attention = 12 * shape["layers"] * shape["width"] * shape["context"]
    rows = {}
    with Folder() as folder:
        export = ", export: {formats: [hf], dtype: fp32}"
        folder.train(options.plumb, "weights", device="cuda", steps=1, precision="bf16", **{**shape, "rate": "1e-30", "export": export})
        gemm = gpu_rate()
        for kind in ("eager", "compile"):
            peer, ours, theirs = Peer(folder, folder.path / "weights/export/hf", kind, shape), [], []
            for pair in range(pairs):
                run = folder.train(options.plumb, f"{kind}{pair}", device="cuda", steps=steps + 5, precision="bf16", every=5, **shape)
                middle = [entry for entry in run if entry["step"] >= 5]
                ours.append((middle[-1]["tokens"] - middle[0]["tokens"]) / (middle[-1]["seconds"] - middle[0]["seconds"]))
                theirs.append(peer.rate(steps))
            peer.close()
            rows[kind] = dict(plumb=statistics.median(ours), peer=statistics.median(theirs), pairs=pairs, gemm=gemm,
                              ratios=[a / b for a, b in zip(ours, theirs)], peer_first_step_seconds=peer.first)
            for name in ("plumb", "peer"):
                rate = rows[kind][name]
                full, causal = rate * (6 * matrices + attention), rate * (6 * matrices + attention / 2)
                print(f"{kind:8} {name:6} {rate:12,.0f} tok/s   {full / gemm:.1%} of the bf16 GEMM rate of this run with full "
                      f"attention FLOPs, {causal / gemm:.1%} with causal")
            print(f"{kind:8} ratio  {statistics.median(rows[kind]['ratios']):.2f} "
                  f"({min(rows[kind]['ratios']):.2f} to {max(rows[kind]['ratios']):.2f}, {pairs} pairs)")
    return rows, True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["parity", "speed"])
    parser.add_argument("--plumb", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    result, ok = {"parity": parity, "speed": speed}[options.what](options)
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

"""`plumb data build` over a large synthetic corpus: rate, memory, kills, processes; see scripts/bench --data-build."""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CONFIG = """
model: {{family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 1024}}
tokenizer: {{{tokenizer}}}
data: {{sources: [{{path: corpus, format: text, name: synthetic}}], sequence_length: 1024, cache: {cache},
       validation_share: 1%{threads}{rules}}}
train: {{steps: 1, global_batch_size: 1, learning_rate: 1e-3}}
output: {{folder: run, progress: lines}}
"""
RULES = ", clean: {normalize: nfc}, privacy: {action: replace}, dedup: {exact: true, minhash: true}"


class Resident(threading.Thread):
    """Resident memory of a process and its children, sampled ten times a second: pages of its own and all."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.samples = pid, []
        self.start()

    def family(self):
        found, more = [], [self.pid]
        while more:
            pid = more.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    more += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
            except OSError:
                pass
        return found

    def run(self):
        while True:
            total = 0
            for pid in self.family():
                try:
                    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                except OSError:
                    continue
                total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
            if total == 0:
                return
            self.samples.append(total * 1024)
            time.sleep(0.1)


def make_corpus(folder, total, files, seed=1):
    """Web-like English: a vocabulary with Zipf's frequencies, sentences of it in ever new order; one document in fifty
    comes again."""
    rng = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(rng.choices(letters, weights=range(26, 0, -1), k=rng.randint(2, 10))) for _ in range(40000)]
    stream = rng.choices(words, weights=[1 / (rank + 3) for rank in range(len(words))], k=1_500_000)
    sentences = [" ".join(stream[at:at + 15]).capitalize() + ". " for at in range(0, len(stream), 15)]
    folder.mkdir(parents=True)
    documents, text = 0, 0
    for number in range(files):
        out = subprocess.Popen(["zstd", "-q", "-1", "-o", folder / f"part-{number}.jsonl.zst"], stdin=subprocess.PIPE)
        written, earlier = 0, []
        while written < total // files:
            body = "".join(rng.choices(sentences, k=1 + int(rng.lognormvariate(2.5, 0.9))))
            if rng.random() < 0.02 and earlier:
                body = rng.choice(earlier)
            elif rng.random() < 0.01:
                earlier.append(body)
            line = json.dumps({"id": documents, "url": f"https://www.site{documents % 997}.org/{documents}", "text": body})
            out.stdin.write(line.encode() + b"\n")
            written += len(body)
            documents += 1
        out.stdin.close()
        out.wait()
        text += written
    return documents, text


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="plumb-data-", dir=options.work))
        self.environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}

    def start(self, cache, ranks=1):
        tokenizer = f"path: {self.options.tokenizer}" if self.options.tokenizer else "type: bytes"
        config = self.folder / f"{cache}.yaml"
        config.write_text(CONFIG.format(tokenizer=tokenizer, cache=cache, rules=RULES if self.options.rules else "",
                                        threads=f", threads: {self.options.threads}" if self.options.threads else ""))
        command = [self.options.plumb, "data", "build", str(config)]
        if ranks > 1:
            command = ["mpirun", "-n", str(ranks), *command]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def finish(self, process):
        out, err = process.communicate()
        if process.returncode != 0:
            sys.exit(f"{out[-2000:]}\n{err[-2000:]}\nplumb ended with {process.returncode}")
        return [line.split()[1] for line in out.splitlines() if line.strip().startswith("digest")], out

    def whole(self, documents, text):
        begin = time.time()
        process = self.start("whole")
        resident = Resident(process.pid)
        digests, out = self.finish(process)
        seconds = time.time() - begin
        resident.join()
        samples = resident.samples
        steady = statistics.median(samples[len(samples) // 4:])
        print(out)
        print(f"one process     {seconds:8.1f} s  {text / seconds / 1e6:8.1f} MB/s  {documents / seconds:10.0f} documents/s")
        print(f"resident        {steady / 2**20:8.0f} MiB steady (median)  {max(samples) / 2**20:8.0f} MiB at most")
        begin = time.time()
        self.finish(self.start("whole"))
        print(f"next start      {time.time() - begin:8.1f} s, everything in the cache")
        return digests, seconds

    def killed(self, digests, seconds, kills):
        rng = random.Random(2)
        begin, done = time.time(), 0
        for _ in range(kills):
            process = self.start("killed")
            time.sleep(seconds * rng.uniform(0.1, 0.3))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close(), process.stderr.close()
            done += process.returncode == -signal.SIGKILL
        again = self.finish(self.start("killed"))[0]
        same = "the same bytes" if again == digests else "OTHER BYTES"
        print(f"killed {done:2d} times {time.time() - begin:8.1f} s in all: {same}")
        return again == digests

    def spread(self, digests, ranks, seconds):
        begin = time.time()
        again = self.finish(self.start(f"spread{ranks}", ranks))[0]
        same = "the same bytes" if again == digests else "OTHER BYTES"
        spent = time.time() - begin
        print(f"mpirun -n {ranks}     {spent:8.1f} s: {same}, {seconds / spent:.2f} times as fast as one process")
        return again == digests


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--plumb", required=True)
    parser.add_argument("--gigabytes", type=float, default=2, help="of text, before compression")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--tokenizer", default="", help="tokenizer.json; default: bytes")
    parser.add_argument("--rules", action="store_true", help="clean, redact and deduplicate, too")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0, help="of each process; default: as many as cores")
    parser.add_argument("--work", default=None, help="folder for the corpus and the caches")
    options = parser.parse_args()
    bench = Bench(options)
    try:
        begin = time.time()
        documents, text = make_corpus(bench.folder / "corpus", int(options.gigabytes * 1e9), options.files)
        size = sum(file.stat().st_size for file in (bench.folder / "corpus").iterdir())
        print(f"corpus          {documents} documents, {text / 1e9:.2f} GB of text, {size / 1e9:.2f} GB as jsonl.zst "
              f"({time.time() - begin:.0f} s to make)", flush=True)
        digests, seconds = bench.whole(documents, text)
        same = bench.killed(digests, seconds, options.kills) if options.kills else True
        same &= bench.spread(digests, options.ranks, seconds) if options.ranks > 1 else True
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()

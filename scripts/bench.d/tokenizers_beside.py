"""Tokenizers side by side, on one thread each: plumb, PyPI `tokenizers`, `gigatoken`; see scripts/bench.

Each side lives in a process of its own and encodes the same documents of 2,000 characters in alternating turns of a tenth
of the text: a first pass over all of it, then the same text again. Caches live as long as the process, so that the first
pass meets every word as new as it comes and the second meets words that were seen. Rates are of the thread's processor
time: neighbours on the machine take turns away from all sides alike. `tokenizers` does not learn words worth speaking of
and gets a part of each turn. Ids of all sides are compared over the first pass."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from measure import median_interval  # noqa: E402
from tokenizer_texts import distinct_share, made, real  # noqa: E402

TURNS = 10
GOAL = 40  # times the speed of `tokenizers`
MASK = (1 << 64) - 1


def hash_of(ids):
    value = 0
    for i in ids:
        value = ((value ^ i) * 0x100000001B3) & MASK
    return value & 0xFFFFFFFFFFFFF


def peer(kind, file, texts):
    """One side in Python: reads {"from", "to", "hash"}, answers seconds of its thread."""
    documents = Path(texts).read_bytes().split(b"\0")
    if kind == "gigatoken":
        import gigatoken

        tokenizer = gigatoken.Tokenizer(file)
        source = lambda docs: gigatoken.BytesSource(docs)  # its fastest way in: nothing is converted
        encode = lambda docs: tokenizer.encode_batch(docs, parallel=False)
        flat = lambda result: __import__("awkward").flatten(result).to_list()
    else:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(file)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        source = lambda docs: [d.decode() for d in docs]
        encode = lambda docs: tokenizer.encode_batch_fast(docs, add_special_tokens=False)
        flat = lambda result: [i for e in result for i in e.ids]
    print("{}", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        docs = documents[asked["from"]:asked["to"]]
        given = source(docs)
        wall, cpu = time.perf_counter(), time.thread_time()
        result = encode(given)
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        answer = {"cpu": cpu, "seconds": wall, "bytes": sum(map(len, docs))}
        if asked["hash"]:
            answer["hash"] = hash_of(flat(result))
        print(json.dumps(answer), flush=True)


class Side:
    def __init__(self, command, plumb):
        self.plumb = plumb
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a side of the bench ended: {self.process.args}")
        return json.loads(line)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def turn(self, first, last, hashed):
        if self.plumb:
            return self.ask(f"encode {first} {last - first}")
        return self.ask(json.dumps({"from": first, "to": last, "hash": hashed}))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def sides(options, file, folder):
    me = [sys.executable, str(Path(__file__).resolve()), "--peer"]
    return {"plumb": Side([options.driver, file], True),
            "gigatoken": Side([*me, "gigatoken", file, f"{folder}/texts"], False),
            "tokenizers": Side([*me, "tokenizers", file, f"{folder}/texts"], False)}


def measure(options, name, documents, folder):
    """{side: [rates of the first pass, of the second]}, and whether ids were equal."""
    file = str(Path(options.files) / f"{name}.json")
    all_sides = sides(options, file, folder)
    all_sides["plumb"].ask(f"load {folder}/documents")
    rates = {side: [[], []] for side in all_sides}
    different = []
    step = max((len(documents) + TURNS - 1) // TURNS, 1)
    names = list(all_sides)
    for which in range(2):
        for turn, first in enumerate(range(0, len(documents), step)):
            last = min(first + step, len(documents))
            for side in names[turn % 3:] + names[:turn % 3]:
                until = min(last, first + max(step // 20, 20)) if side == "tokenizers" else last
                answer = all_sides[side].turn(first, until, False)
                rates[side][which].append(answer["bytes"] / answer["cpu"])
            if which == 1 and turn in (0, TURNS // 2):  # after the timing: what each makes of the same documents
                until = min(last, first + 20)
                hashes = {side: all_sides[side].turn(first, until, True)["hash"] for side in names}
                different += [side for side in names if hashes[side] != hashes["tokenizers"]]
    print_shares(name, all_sides["plumb"], step)
    for side in all_sides.values():
        side.close()
    return rates, sorted(set(different))


STAGES = {"text": "checks of the text, special tokens, normalisation", "scan": "cutting into words",
          "look_up": "looking words up", "merge": "merging new words", "write": "writing ids"}


def print_shares(name, plumb, step):
    """Where plumb's time goes: medians of several runs, because a neighbour's turn falls into one stage. Measured apart
    from the rates, as the clock takes a few per cent itself."""
    runs = {"first": [], "repeat": []}
    for _ in range(7):
        plumb.ask("fresh")
        for passed in runs.values():
            passed.append(plumb.ask(f"shares 0 {step}"))
    for label, passed in runs.items():
        medians = {stage: statistics.median(run[stage] for run in passed) for stage in STAGES}
        told = ", ".join(f"{STAGES[stage]} {share / sum(medians.values()):.0%}" for stage, share in medians.items())
        print(f"{name:14}time of plumb, {label}: {told}", flush=True)


def rows_of(options, name, text, documents, folder):
    rates, different = measure(options, name, documents, folder)
    rows = []
    for which, label in enumerate(("first", "repeat")):
        row = {"file": name, "text": text, "pass": label, "different": different}
        for side in rates:
            row[side] = statistics.median(rates[side][which]) / 1e6
        for other in ("gigatoken", "tokenizers"):
            row[f"over_{other}"] = median_interval([a / b for a, b in zip(rates["plumb"][which], rates[other][which])])
        rows.append(row)
        print_row(row)
    return rows


def training(options, documents, folder):
    """BPE training of both on the same documents, in turns: seconds by the clock and of all threads; the same merges."""
    size = 32768 if sum(map(len, documents)) > 2_000_000 else 8192  # a short text has too few pairs
    script = """
import json, sys, time
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
documents = [d.decode() for d in open(sys.argv[1], "rb").read().split(bytes(1))]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
wall, cpu = time.perf_counter(), time.process_time()
tokenizer.train_from_iterator(documents, trainers.BpeTrainer(
    vocab_size=int(sys.argv[2]), min_frequency=2, special_tokens=["<|endoftext|>"], show_progress=False,
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
print(json.dumps({"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
open(sys.argv[3], "w").write(tokenizer.to_str())
"""
    rows = []
    for threads in (1, 2):
        ours, theirs = [], []
        for _ in range(3):
            side = Side([options.driver, str(Path(options.files) / "gpt2.json")], True)
            side.ask(f"load {folder}/documents")
            ours.append(side.ask(f"train {size} {threads} {folder}/ours.json"))
            side.close()
            environment = dict(os.environ, RAYON_NUM_THREADS=str(threads),
                               TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")
            done = subprocess.run([sys.executable, "-c", script, f"{folder}/texts", str(size), f"{folder}/theirs.json"],
                                  env=environment, check=True, capture_output=True, text=True)
            theirs.append(json.loads(done.stdout))
        merges = [[tuple(m) for m in json.loads(Path(folder, f"{who}.json").read_text())["model"]["merges"]]
                  for who in ("ours", "theirs")]
        row = {"threads": threads, "same_merges": merges[0] == merges[1],
               **{f"{key}_ratio": median_interval([b[key] / a[key] for a, b in zip(ours, theirs)]) for key in ours[0]},
               "plumb": statistics.median(o["cpu"] for o in ours), "tokenizers": statistics.median(t["cpu"] for t in theirs)}
        ratio = lambda v: f"{v[0]:.1f} ({v[1]:.1f} to {v[2]:.1f})"
        print(f"training of {size:,} tokens, {threads} threads: plumb {row['plumb']:.2f} s of processor time, tokenizers "
              f"{row['tokenizers']:.2f}; faster {ratio(row['cpu_ratio'])} times by it, {ratio(row['seconds_ratio'])} by "
              f"the clock; merges {'equal' if row['same_merges'] else 'DIFFER'}", flush=True)
        rows.append(row)
    return rows


def print_row(r):
    ratio = lambda v: f"{v[0]:.1f} ({v[1]:.1f} to {v[2]:.1f})"
    note = f"  ids differ: {', '.join(r['different'])}" if r["different"] else ""
    print(f"{r['file']:14}{r['text']:10}{r['pass']:8}{r['plumb']:>8.1f}{r['gigatoken']:>11.1f}{r['tokenizers']:>12.2f}  "
          f"{ratio(r['over_gigatoken']):22}{ratio(r['over_tokenizers']):24}{note}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench --tokenizers")
    parser.add_argument("--driver", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--root", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--files-of", dest="names", default="gpt2,gpt-neox-20b,phi-3-mini")
    parser.add_argument("--texts", default="en,ko,en-real,ko-real")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--out")
    options = parser.parse_args()
    shared = Path(options.root).parent / "shared"
    options.files = shared / "tokenizers"
    if not shared.exists():
        sys.exit("needs ../shared beside the repository: tokenizer files and texts")
    print(f"{'file':14}{'text':10}{'pass':8}{'plumb':>8}{'gigatoken':>11}{'tokenizers':>12}  {'plumb/gigatoken':22}"
          f"{'plumb/tokenizers':24}   MB/s of one thread; ratios with 95 % intervals")
    rows = []
    for text in options.texts.split(","):
        language = text[:2]
        documents = (real(language, shared / "data") if text.endswith("-real")
                     else made(language, shared / "data", options.megabytes * 1_000_000))
        print(f"{text}: {sum(len(d.encode()) for d in documents) / 1e6:.1f} MB, new words {distinct_share(documents):.1%}")
        with tempfile.TemporaryDirectory(prefix="plumb-bench-") as folder:
            encoded = [d.encode() for d in documents]
            Path(folder, "texts").write_bytes(b"\0".join(encoded))
            with open(Path(folder, "documents"), "wb") as out:
                for document in encoded:
                    out.write(b"%d\n" % len(document) + document)
            if options.training:
                rows += training(options, documents, folder)
                continue
            for name in options.names.split(","):
                rows += rows_of(options, name, text, documents, folder)
    if not options.training:
        behind = [f"{r['file']} {r['text']} {r['pass']}" for r in rows if r["over_gigatoken"][0] < 1]
        goal = sum(r["over_tokenizers"][0] >= GOAL for r in rows)
        print(f"at least as fast as gigatoken in {len(rows) - len(behind)} of {len(rows)} rows"
              + (f" (not in {', '.join(behind)})" if behind else "") + f"; {GOAL} times tokenizers, the goal, in {goal}")
    if options.out:
        Path(options.out).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(*sys.argv[2:5])
    else:
        main()

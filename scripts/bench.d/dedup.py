"""MinHash deduplication of plumb and of datatrove on the same documents: speed of the signature stage, then who survives.

Documents are those of ../shared/data and copies of them with words replaced, removed and repeated, in shares from 0 to
40 %. Both sides run on one thread in alternating turns; processor time is compared. datatrove gets its words by splitting
at white space, which is faster than the spaCy tokenizer it would use by itself and makes the words of both sides the
same; its hash is xxhash if that package is there, else sha1 (both are datatrove's own choices).
"""
import argparse
import contextlib
import io
import json
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
import tokenizer_texts  # noqa: E402


class Spaces:
    def word_tokenize(self, text):
        return text.split()


def quiet_datatrove():
    from datatrove.pipeline.dedup import minhash
    from loguru import logger
    logger.remove()
    return minhash


class Datatrove:
    def __init__(self):
        self.minhash = quiet_datatrove()
        from datatrove.utils.hashing import HashConfig
        self.hash = "xxhash" if find_spec("xxhash") else "sha1"
        self.config = self.minhash.MinhashConfig(hash_config=HashConfig(precision=64, hash_fc=self.hash))

    def signer(self, folder):
        with mock.patch.object(self.minhash, "load_word_tokenizer", lambda language: Spaces()):
            return self.minhash.MinhashDedupSignature(output_folder=folder, config=self.config)

    def sign(self, documents, folder):
        from datatrove.data import Document
        step = self.signer(folder)
        data = [Document(text=text, id=str(i)) for i, text in enumerate(documents)]
        start = time.process_time()
        step.run(iter(data), rank=0, world_size=1)
        return time.process_time() - start

    def removed(self, folder):
        """Stages 2 and 3 on the signatures in folder/s."""
        buckets = self.config.num_buckets
        start = time.process_time()
        with contextlib.redirect_stderr(io.StringIO()):
            for rank in range(buckets):
                self.minhash.MinhashDedupBuckets(str(folder / "s"), str(folder / "b"), config=self.config).run(
                    None, rank=rank, world_size=buckets)
            self.minhash.MinhashDedupCluster(str(folder / "b"), str(folder / "c"), config=self.config,
                                             save_cluster_id=True).run(None, 0, 1)
        seconds = time.process_time() - start
        pairs = [struct.unpack("<2I", chunk) for chunk in chunks(folder / "c" / "000000.clusters", 8)]
        clusters = {}
        for document, cluster in pairs:
            clusters.setdefault(cluster, []).append(document)
        # It keeps any one of a cluster; ours is the first. The clusters are what can be compared.
        return {d for members in clusters.values() for d in sorted(members)[1:]}, seconds

    def shingles(self, text):
        step = self.__dict__.setdefault("_step", self.signer(tempfile.gettempdir()))
        return frozenset(step.get_shingles(text).ravel().tolist())


def plumb(driver, folder, turns, lines, *verify):
    folder.mkdir()
    done = subprocess.run([driver, "run", folder, str(turns), *verify], input=lines, capture_output=True, check=True)
    return json.loads(done.stdout)


def chunks(file, size):
    data = file.read_bytes() if file.exists() else b""
    return [data[at:at + size] for at in range(0, len(data), size)]


def corpus(shared, copies, seed=1):
    """Real documents and changed copies of them, in random order."""
    draw = random.Random(seed)
    real = tokenizer_texts.real("en", shared) + tokenizer_texts.real("ko", shared)
    vocabulary = sorted({word for text in real[:400] for word in text.split()})
    documents = list(real)
    for _ in range(copies):
        words = draw.choice(real).split(" ")
        changes = int(len(words) * draw.choice([0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.4]))
        for _ in range(changes):
            at = draw.randrange(len(words))
            words[at] = draw.choice(["", draw.choice(vocabulary), words[at] + " " + words[at]])
        documents.append(" ".join(words))
    draw.shuffle(documents)
    return documents


def jaccard(a, b):
    return len(a & b) / len(a | b) if a or b else 0.0


def probability(s, rows=8, buckets=14):
    return 1 - (1 - s ** rows) ** buckets


def nearest_earlier(documents, shingles_of):
    """For each document the largest similarity to any earlier one, by an inverted index."""
    holders, sizes, best = {}, {}, {}
    for number, text in enumerate(documents):
        own = shingles_of(text)
        common = {}
        for shingle in own:
            for other in holders.get(shingle, ()):
                common[other] = common.get(other, 0) + 1
        best[number] = max((n / (len(own) + sizes[o] - n) for o, n in common.items()), default=0.0)
        sizes[number] = len(own)
        for shingle in own:
            holders.setdefault(shingle, []).append(number)
    return best


def survivors(documents, ours, verified, theirs, shingles_of, out):
    both, only_ours, only_theirs = ours & theirs, ours - theirs, theirs - ours
    out(f"dropped by both {len(both)}, by plumb alone {len(only_ours)}, by datatrove alone {len(only_theirs)}, "
        f"by neither {len(documents) - len(ours | theirs)}")
    best = nearest_earlier(documents, shingles_of)
    ranges = [(0, 0.3), (0.3, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)]
    out("similarity to the nearest earlier document -> documents, expected to meet it; dropped by plumb, with verify 0.7, by "
        "datatrove, by one of plumb and datatrove alone")
    for low, high in ranges:
        inside = [d for d, s in best.items() if low <= s < high]
        expected = sum(probability(best[d]) for d in inside)
        out(f"  {low:.1f}-{min(high, 1):.1f}  {len(inside):6}  {expected:8.1f}  {len(ours & set(inside)):6}  "
            f"{len(verified & set(inside)):6}  {len(theirs & set(inside)):6}  {len((only_ours | only_theirs) & set(inside)):6}")
    for name, alone in (("plumb", only_ours), ("datatrove", only_theirs)):
        for d in sorted(alone)[:5]:
            out(f"  {name} alone dropped document {d}: similarity {best[d]:.3f}, "
                f"1-(1-s^8)^14 = {probability(best[d]):.3f}: {documents[d][:50]!r}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--copies", type=int, default=1500)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    shared = Path(arguments.root).parent / "shared" / "data"
    if not shared.is_dir():
        sys.exit("error: expected ../shared/data beside the project, found none")
    documents = corpus(shared, arguments.copies)
    megabytes = sum(len(text.encode()) for text in documents) / 1e6
    lines = "".join(json.dumps({"text": text}) + "\n" for text in documents).encode()
    peer = Datatrove()
    print(f"{len(documents)} documents, {megabytes:.1f} MB; 5-grams, 14 buckets x 8 rows; datatrove with {peer.hash} and "
          f"words split at white space", flush=True)
    ours, theirs, result = [], [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(arguments.turns):
            theirs.append(peer.sign(documents, str(folder / "s")))
            result = plumb(arguments.driver, folder / f"p{turn}", 5, lines)
            ours.append(statistics.median(result["seconds"]))
            print(f"  turn {turn + 1}: plumb {megabytes / ours[-1]:.1f} MB/s, datatrove {megabytes / theirs[-1]:.2f} MB/s, "
                  f"ratio {theirs[-1] / ours[-1]:.0f}", flush=True)
        ratios = [t / o for t, o in zip(theirs, ours)]
        print(f"signatures, one thread: plumb {megabytes / statistics.median(ours):.1f} MB/s, datatrove "
              f"{megabytes / statistics.median(theirs):.2f} MB/s, ratio {statistics.median(ratios):.0f} "
              f"({min(ratios):.0f} to {max(ratios):.0f}); wanted: 20")
        dropped, seconds = peer.removed(folder)
        print(f"clusters: plumb {result['cluster_seconds']:.2f} s, datatrove {seconds:.2f} s "
              f"(ratio {seconds / result['cluster_seconds']:.0f})")
        verified = plumb(arguments.driver, folder / "verified", 1, lines, "0.7")
    everything = set(range(len(documents)))
    survivors(documents, everything - set(result["kept"]), everything - set(verified["kept"]), dropped, peer.shingles, print)
    sys.exit(0 if statistics.median(ratios) >= 20 else 1)


if __name__ == "__main__":
    main()

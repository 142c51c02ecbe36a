"""plumb data build as a user starts it: killed at any moment, under mpirun, with rules; data changed under a checkpoint."""
import gzip
import json
import random
import signal
import subprocess
import time
import unittest

from support import ENVIRONMENT, PLUMB, RunFolder

CONFIG = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 64}
tokenizer: {type: bpe, vocab_size: 400}
data: {sources: [{path: corpus, name: mixed}], sequence_length: 64, validation_share: 5%, cache: cache,
       privacy: {action: replace}, dedup: {exact: true, minhash: true}, threads: 2}
train: {steps: 1, global_batch_size: 1, learning_rate: 1e-3}
output: {folder: run, progress: none}
"""


class DataBuild(RunFolder):
    def corpus(self, documents=20000):
        rng = random.Random(5)
        words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(2000)]
        (self.folder / "corpus").mkdir()
        with gzip.open(self.folder / "corpus/zipped.jsonl.gz", "wt", compresslevel=1) as zipped, \
                open(self.folder / "corpus/plain.jsonl", "w") as plain:
            for number in range(documents):
                text = " ".join(rng.choices(words, k=rng.randint(5, 60)))
                if number % 9 == 0:
                    text = "the same again " * 8
                out = zipped if number % 2 else plain
                out.write(json.dumps({"text": text + f" mail{number}@example.org" * (number % 7 == 0)}) + "\n")
            plain.write("{broken\n")
        (self.folder / "build.yaml").write_text(CONFIG)

    def digests(self, cache, ranks=1):
        out = self.plumb("data", "build", "build.yaml", f"data.cache={self.folder}/{cache}", ranks=ranks).stdout
        return [line.split()[1] for line in out.splitlines() if line.strip().startswith("digest")], out

    def test_killed_ten_times_and_shared_by_three(self):
        self.corpus()
        begin = time.time()
        whole, out = self.digests("whole")
        seconds = time.time() - begin
        self.assertEqual(len(whole), 2)  # train and validation
        for words in ("+ duplicates", "exact", "+ malformed", "plain.jsonl:10001", "email"):
            self.assertIn(words, out)
        rng, kills = random.Random(3), 0
        command = [PLUMB, "data", "build", "build.yaml", f"data.cache={self.folder}/killed"]
        while kills < 10:
            process = subprocess.Popen(command, cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(seconds * rng.uniform(0.02, 0.2))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            if process.returncode == 0:
                break
        self.assertGreaterEqual(kills, 3)
        self.assertEqual(self.digests("killed")[0], whole)
        self.assertEqual(self.digests("three", ranks=3)[0], whole)

    def test_changed_data_under_a_checkpoint_is_refused(self):
        config = self.config(steps=4, save="2 steps")
        self.plumb("train", config)
        with open(self.folder / "text.txt", "a") as text:
            text.write("a sentence more.")
        done = self.plumb("train", config, "train.steps=6", "train.accept_changes=[train.steps]", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("data", done.stderr)
        self.assertRegex(done.stderr, "[0-9a-f]{16}")  # which digests differ


if __name__ == "__main__":
    unittest.main()

"""`plumb data lineage` against what must hold: an epoch reads every token of every document once, steps and documents
name each other, and neither another number of ranks nor another batch size after a resume changes the past."""
import collections
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PLUMB = os.environ["TEST_PLUMB"]
CONFIG = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 64}
tokenizer: {type: bytes}
data: {sources: [{name: notes, path: notes.jsonl, format: text}], sequence_length: 64}
train: {steps: 12, global_batch_size: 4, micro_batch_size: 1, learning_rate: 1e-3, precision: fp32, schedule: {warmup: 1 steps}}
parallel: {threads: 1}
output: {folder: run, checkpoint: {every: 4 steps, keep_last: 9}}
eval: {every: none}
"""


def run(*words, ranks=1, cwd=None, expect=0):
    launch = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run([*launch, PLUMB, *words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Lineage(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "config.yaml").write_text(CONFIG)
        with open(self.folder / "notes.jsonl", "w") as out:
            for number in range(60):
                out.write(json.dumps({"text": f"note {number}: " + "abc " * (number % 40 + 1)}) + "\n")

    def lineage(self, *words):
        out = self.folder / "lineage.jsonl"
        out.unlink(missing_ok=True)
        text = run("data", "lineage", "run", *words, "--json", str(out), cwd=self.folder)
        return text, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []

    def all_steps(self, steps):
        return {step: self.lineage("--step", str(step))[1] for step in range(1, steps + 1)}

    def test_an_epoch_reads_every_token_once_and_documents_name_their_steps(self):
        run("train", "config.yaml", "train.steps=default", "train.epochs=2", ranks=2, cwd=self.folder)
        steps = json.loads((self.folder / "run/metrics.jsonl").read_text().splitlines()[-1])["step"]
        readings = [piece for pieces in self.all_steps(steps).values() for piece in pieces]
        for epoch in (0, 1):
            covered = collections.defaultdict(list)
            for piece in readings:
                if piece["epoch"] == epoch:
                    covered[piece["where"], piece["tokens"]].append((piece["begin"], piece["end"]))
            self.assertEqual(len(covered), 60)
            last = 0
            for (_, tokens), spans in covered.items():
                spans.sort()
                self.assertEqual(spans[0][0], 0)
                self.assertTrue(all(a[1] == b[0] for a, b in zip(spans, spans[1:])), spans)
                last += spans[-1][1] != tokens
            self.assertLessEqual(last, 1, "only the very last token of the stream has no position")
        # The other way round: every reading of a document, and no other.
        chosen = readings[7]
        text, found = self.lineage("--doc", chosen["id"])
        self.assertEqual(found, [piece for piece in readings if piece["id"] == chosen["id"]])
        self.assertIn("verified  1 document: their tokens hash to what was stored with them; 1 decode to the text of their id\n", text)
        self.assertEqual(self.lineage("--doc", chosen["where"])[1], found)

    def test_a_dataset_knows_which_token_ends_its_documents(self):
        text = CONFIG.replace("{type: bytes}", "{type: bytes, special_tokens: {eos: <|end|>}}")
        (self.folder / "config.yaml").write_text(text)
        run("train", "config.yaml", cwd=self.folder)
        said, pieces = self.lineage("--step", "1")
        documents = len({piece["id"] for piece in pieces})
        self.assertIn(f"verified  {documents} documents: their tokens hash to what was stored with them; {documents} decode", said)
        # The dataset alone is enough to train on.
        dataset = next(self.folder.glob("**/tokens-*.bin")).parent
        (self.folder / "alone.yaml").write_text(
            CONFIG.replace("tokenizer: {type: bytes}\n", "").replace("folder: run", "folder: alone").replace(
                "sources: [{name: notes, path: notes.jsonl, format: text}]", f"dataset: {dataset}"))
        run("train", "alone.yaml", cwd=self.folder)
        losses = [[json.loads(line).get("loss") for line in (self.folder / name / "metrics.jsonl").read_text().splitlines()]
                  for name in ("run", "alone")]
        self.assertEqual(*losses)

    def test_ranks_and_batch_size_after_a_resume_leave_the_past(self):
        run("train", "config.yaml", "train.steps=4", "train.schedule.length=12 steps", ranks=2, cwd=self.folder)
        before = self.all_steps(4)
        run("train", "config.yaml", "train.steps=12", "train.schedule.length=12 steps", "train.global_batch_size=2",
            "train.accept_changes=[train.global_batch_size, train.steps, train.schedule.length]", ranks=1, cwd=self.folder)
        after = self.all_steps(12)
        self.assertEqual({step: after[step] for step in range(1, 5)}, before)
        self.assertEqual([sorted({p["sequence"] for p in after[step]}) for step in (1, 4, 5, 6, 12)],
                         [[0, 1, 2, 3], [12, 13, 14, 15], [16, 17], [18, 19], [30, 31]])

    def test_what_cannot_be_answered_is_said(self):
        run("train", "config.yaml", cwd=self.folder)
        for words, says in ((("--step", "13"), "expected a step from 1 to 12"), (("--doc", "0" * 16), "no dataset"), ((), "one of them")):
            done = subprocess.run([PLUMB, "data", "lineage", "run", *words], cwd=self.folder, capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(says, done.stderr)
        # One flipped byte of the tokens is found before anything is answered from it.
        tokens = next(self.folder.glob("**/tokens-*.bin"))
        content = bytearray(tokens.read_bytes())
        content[-1] ^= 1
        os.chmod(tokens, 0o644)
        tokens.write_bytes(content)
        done = subprocess.run([PLUMB, "data", "lineage", "run", "--step", "1"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(tokens.name, done.stderr)


if __name__ == "__main__":
    unittest.main()

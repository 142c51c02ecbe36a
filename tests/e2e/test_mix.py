"""Weighted sources and curricula: the same run on other ranks, and a past that cannot be changed."""
import collections
import json
import unittest

from support import RunFolder, make_text

MIX = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 32}
tokenizer: {type: bytes}
data:
  sources: [{name: prose, path: text.txt, weight: 3}, {name: digits, path: digits.txt, weight: 1}]
  curriculum: [{from: 6 steps, weights: {prose: 0, digits: 1}}]
  sequence_length: 32
train: {steps: 12, global_batch_size: 8, micro_batch_size: 2, learning_rate: 1e-3, precision: fp32,
        schedule: {name: constant, warmup: 0 steps}}
parallel: {threads: 1}
output: {folder: run, log_every: 1 steps, progress: lines, checkpoint: {every: 4 steps, keep_last: 9}}
eval: {every: none}
"""


class Mix(RunFolder):
    def setUp(self):
        super().setUp()
        (self.folder / "digits.txt").write_text(" ".join(str(n * n) for n in range(4000)))
        self.yaml = self.folder / "mix.yaml"
        self.yaml.write_text(MIX)

    def refused(self, *words):
        done = self.plumb("train", self.yaml, *words, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def parts(self, step):
        """Sequences that a step read of each source."""
        out = self.folder / "lineage.jsonl"
        self.plumb("data", "lineage", self.folder / "run", "--step", step, "--json", out)
        pieces = [json.loads(line) for line in out.read_text().splitlines()]
        return dict(collections.Counter(part for _, part in {(p["sequence"], p["part"]) for p in pieces}))

    def test_resume_on_other_ranks_and_the_past(self):
        first = self.plumb("train", self.yaml)
        self.assertIn("75.00% of the mix", first.stdout + first.stderr)
        self.plumb("train", self.yaml, "train.resume=step-8", ranks=3)
        for step, values in self.losses("run").items():
            if step > 8:
                self.assertEqual(len(values), 2, "steps 9 to 12 were made twice")
                self.assertLessEqual(abs(values[0] - values[1]) / values[0], 1e-5, f"step {step}: {values}")
        self.assertEqual([self.parts(step) for step in (1, 6, 7, 12)],
                         [{"prose": 6, "digits": 2}, {"prose": 6, "digits": 2}, {"digits": 8}, {"digits": 8}])

        # A stage behind the checkpoint is history; one ahead of it may change.
        other = "data.curriculum=[{from: 5 steps, weights: {prose: 1, digits: 1}}]"
        self.assertIn("train.accept_changes", self.refused("train.resume=step-8", other))
        accept = "train.accept_changes=[data.curriculum]"
        text = self.refused("train.resume=step-8", other, accept)
        self.assertIn("order up to here", text)
        self.assertIn("plan[1]", text)
        self.plumb("train", self.yaml, "train.resume=step-4", other, accept)

    def test_a_batch_size_changed_on_the_way_reads_on_where_it_was(self):
        self.plumb("train", self.yaml, "train.steps=4", "data.curriculum=[]")
        words = ["train.steps=8", "train.global_batch_size=4", "data.curriculum=[]",
                 "train.accept_changes=[train.global_batch_size, train.steps]"]
        self.plumb("train", self.yaml, *words, ranks=2)
        tokens = [json.loads(line).get("tokens") for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        self.assertEqual([t for t in tokens if t], [256, 512, 768, 1024, 1152, 1280, 1408, 1536])


if __name__ == "__main__":
    unittest.main()

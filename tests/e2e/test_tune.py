"""A base specialised: masks, adapters, replay, gates, export and resume, as a user goes through them."""
import json
import unittest

from support import RunFolder, make_text

TUNE = """
model: {{base: {base}}}
data:
  sources: [{{path: pairs.jsonl, format: prompt_completion}}]
  replay: {{share: 25%, sources: [{{path: text.txt, format: text}}]}}
  sequence_length: 32
tokenizer: {{chat_template: plain}}
method: {{name: sft, adapter: {adapter}{lora}}}
train: {{steps: {steps}, global_batch_size: 8, micro_batch_size: 4, learning_rate: 1e-2, precision: fp32,
        schedule: {{warmup: 1 steps}}}}
parallel: {{threads: 1}}
output: {{folder: {folder}, log_every: 1 steps, progress: lines, checkpoint: {{every: 10 steps}},
         export: {{formats: [hf], dtype: fp32, when: passed}}}}
eval:
  every: none
  sets:
    - {{name: pairs, role: domain, path: pairs.jsonl, format: prompt_completion, metric: answer_nll}}
    - {{name: text, role: general, path: test.txt, format: text, metric: bits_per_byte}}
  pass:
    - {{metric: pairs.answer_nll, min_gain: {gain}}}
"""


class Tune(RunFolder):
    def setUp(self):
        super().setUp()
        (self.folder / "test.txt").write_text(make_text(300, seed=2))
        rows = [{"prompt": f"the king {i % 7}", "completion": f" holds {i % 7} roses"} for i in range(80)]
        (self.folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.plumb("train", self.config(steps=30), "output.folder=base")

    def tune(self, folder, *words, base="base", adapter="lora", steps=40, gain="2%", ranks=1, check=True):
        lora = ", lora: {rank: 4}" if adapter == "lora" else ""
        path = self.folder / f"{folder}.yaml"
        path.write_text(TUNE.format(base=base, folder=folder, adapter=adapter, lora=lora, steps=steps, gain=gain))
        return self.plumb("tune", path, *words, ranks=ranks, check=check)

    def test_adapter_on_two_ranks_passes_exports_and_answers_like_the_run(self):
        done = self.tune("tuned", ranks=2)
        self.assertIn("1 of 1 rules passed", done.stderr)
        run = self.plumb("generate", "tuned", "--prompt", "the king 3", "--max-new-tokens", "12", "--template", "plain",
                         "train.precision=fp32").stdout
        exported = self.plumb("generate", "tuned/export/hf", "--prompt", "the king 3", "--max-new-tokens", "12",
                              "--template", "plain", "train.precision=fp32").stdout
        self.assertEqual(run, exported)
        self.check_prompts_as_trained()
        table = self.plumb("eval", "tuned.yaml", "base", "tuned", "tuned/export/hf", "train.precision=fp32").stdout
        row = next(line for line in table.splitlines() if line.startswith("pairs"))
        values = [float(word) for word in row.split() if word.replace(".", "").isdigit()]
        self.assertLess(values[2], values[1], table)     # tuned is better than the base
        self.assertAlmostEqual(values[2], values[3], places=2)

    def test_a_tokenizer_whose_ids_are_other_texts_is_refused(self):
        tokenizer = json.loads((self.folder / "base/tokenizer/tokenizer.json").read_text())
        vocabulary = tokenizer["model"]["vocab"]
        (self.folder / "same.json").write_text(json.dumps(tokenizer))
        end = tokenizer["added_tokens"][0]["content"]
        renamed = json.dumps(tokenizer).replace(end, "<|stop|>")
        (self.folder / "renamed.json").write_text(renamed)
        vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]  # of the same size
        (self.folder / "swapped.json").write_text(json.dumps(tokenizer))
        done = self.tune("swapped", "tokenizer.path=swapped.json", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("tokenizer: error: expected ids that mean what they mean in the base, found 2 of 257 that do not: "
                      'id 97 is "b" and in the base "a"', done.stderr)
        self.assertIn("hint: leave tokenizer.type and tokenizer.path out", done.stderr)
        self.assertFalse((self.folder / "swapped").exists())
        for words in (["tokenizer.path=same.json"], ["tokenizer.type=bytes"],
                      ["tokenizer.path=renamed.json", "tokenizer.special_tokens.eos=<|stop|>"]):
            self.tune("same", *words, "--dry-run")

    def check_prompts_as_trained(self):
        """`plain` ends a prompt with a newline; a model that saw no prompts goes on from the text instead."""
        def answer(model, prompt, *words):
            return self.plumb("generate", model, "--prompt", prompt, "--max-new-tokens", "12", *words, "train.precision=fp32").stdout

        for model in "tuned", "tuned/export/hf":
            self.assertEqual(answer(model, "the king 3"), answer(model, "the king 3\n", "--template", "plain"), model)
        self.assertEqual(answer("base", "the king"), answer("base", "the king", "--template", "plain"))
        self.assertTrue((self.folder / "tuned/export/hf/chat_template.jinja").exists())
        self.plumb("export", "base", "base-hf", "--format", "hf", "--dtype", "fp32")
        self.assertFalse((self.folder / "base-hf/chat_template.jinja").exists())
        self.assertNotIn("chat_template", json.loads((self.folder / "base-hf/tokenizer_config.json").read_text()))
        self.assertEqual(answer("base-hf", "the king"), answer("base", "the king"))

    def test_only_answers_and_their_end_are_marked(self):
        shown = self.tune("masks", "--show-masks", "2").stdout
        self.assertIn("[[", shown)
        self.assertIn("roses<|endoftext|>]]", shown.replace("\n", ""))
        self.assertFalse((self.folder / "masks").exists())

    def test_a_rule_that_fails_ends_with_1_exports_nothing_and_again(self):
        for _ in range(2):
            self.assertEqual(self.tune("failed", gain="99%", check=False).returncode, 1)
        self.assertFalse((self.folder / "failed/export").exists())
        self.assertIn("FAIL", (self.folder / "failed/report.md").read_text())

    def test_full_tuning_resumes_to_the_same_bits(self):
        self.tune("whole", adapter="none")
        self.tune("parts", "train.time_limit=0.001s", adapter="none", check=False)
        self.assertTrue(list((self.folder / "parts").glob("step-*")))
        self.tune("parts", adapter="none")
        whole, parts = self.losses("whole"), self.losses("parts")
        self.assertEqual({k: v[0] for k, v in whole.items()}, {k: v[-1] for k, v in parts.items()})

    def test_an_adapter_does_not_go_on_upon_other_weights(self):
        self.tune("tuned", "train.time_limit=0.001s", check=False)
        self.plumb("train", self.config(steps=30), "output.folder=other", "train.seed=7")
        (self.folder / "base").rename(self.folder / "before")
        (self.folder / "other").rename(self.folder / "base")
        done = self.tune("tuned", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("adapter was trained on", done.stderr)

    def test_a_damaged_newest_checkpoint_never_pushes_out_the_new_ones(self):
        config = self.config(steps=8, save="2 steps")
        self.plumb("train", config, "output.folder=run", "output.checkpoint.keep_last=1")
        shard = next((self.folder / "run/step-8").glob("*.safetensors"))
        self.assertEqual([p.name for p in (self.folder / "run").glob("step-*")], ["step-8"])
        damaged = bytearray(shard.read_bytes())
        damaged[-5] ^= 16
        shard.write_bytes(damaged)
        # It starts over and is stopped after one step: step-1 is the only good one and must survive the pruning.
        done = self.plumb("train", config, "output.folder=run", "output.checkpoint.keep_last=1", "train.time_limit=0.001s",
                          check=False)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertEqual([p.name for p in (self.folder / "run").glob("step-*")], ["step-1"])
        self.assertTrue(list((self.folder / "run").glob("set-aside-*")), "the damaged one is renamed, not deleted")


if __name__ == "__main__":
    unittest.main()

"""A run's folder: one run at a time, nothing protected that was never trained, and models compared by what can be compared."""
import re
import subprocess
import time
import unittest

from support import ENVIRONMENT, PLUMB, RunFolder

RUN = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 64}
tokenizer: {type: bytes}
data: {sources: [{path: text.txt}], sequence_length: 32}
train: {steps: 2, global_batch_size: 2, learning_rate: 1e-3, precision: fp32}
parallel: {threads: 1}
output: {folder: run}
eval: {every: none, sets: [{name: text, path: text.txt, format: text, metric: METRIC}]}
"""


class Folder(RunFolder):
    def write(self, name="run.yaml", metric="bits_per_byte", **replaced):
        text = RUN.replace("METRIC", metric)
        for old, new in replaced.items():
            text = text.replace(old, new)
        (self.folder / name).write_text(text)
        return self.folder / name

    def test_a_second_run_in_the_folder_is_refused_while_the_first_goes_on(self):
        yaml = self.write()
        first = subprocess.Popen([PLUMB, "train", yaml, "train.steps=100M", "output.checkpoint.every=1 steps"],
                                 cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not any((self.folder / "run").glob("step-*")):
                self.assertIsNone(first.poll())
                time.sleep(0.05)
            second = self.plumb("train", yaml, "train.steps=100M", "output.checkpoint.every=1 steps", check=False)
            self.assertEqual(second.returncode, 2)
            self.assertIn(f"a run is going on in this folder (process {first.pid} on ", second.stderr)
            self.assertEqual(list((self.folder / "run").glob("set-aside*")), [])
        finally:
            first.kill()
            first.wait()
        self.assertEqual(self.plumb("train", yaml, "train.steps=100M", "output.checkpoint.every=1 steps", "train.time_limit=1s",
                                    check=False).returncode, 75, "the lock went with its holder")

    def test_a_run_that_ended_before_its_first_checkpoint_starts_over(self):
        yaml = self.write()
        self.plumb("train", yaml)
        for step in (self.folder / "run").glob("step-*"):
            for file in step.iterdir():
                file.unlink()
            step.rmdir()
        again = self.plumb("train", yaml, "data.sequence_length=16")
        self.assertIn("it starts over", again.stdout + again.stderr)
        self.assertIn("sequence_length: 16", (self.folder / "run/resolved.yaml").read_text())
        refused = self.plumb("train", yaml, "data.sequence_length=32", check=False)
        self.assertEqual(refused.returncode, 2, "now there is something to protect")

    def test_checkpoints_that_are_set_aside_are_told(self):
        words = ["train", self.write(), "train.steps=6", "output.checkpoint.every=2 steps", "output.checkpoint.keep_last=3"]
        self.plumb(*words)
        missing = self.plumb(*words, "train.resume=step-77", check=False)
        self.assertEqual(missing.returncode, 2)
        self.assertIn("train.resume is step-77, and the run has no such checkpoint\n      hint: it has step-2 step-4 step-6\n", missing.stderr)
        run = self.folder / "run"
        # A start that is refused leaves the folder as it was.
        (self.folder / "text.txt").rename(self.folder / "moved.txt")
        self.assertEqual(self.plumb(*words, "train.resume=step-2", check=False).returncode, 2)
        (self.folder / "moved.txt").rename(self.folder / "text.txt")
        before = (self.folder / "text.txt").read_text()
        (self.folder / "text.txt").write_text(before + "another text")
        self.assertIn("have changed since", self.plumb(*words, "train.resume=step-2", check=False).stderr)
        self.assertEqual(sorted(p.name for p in run.glob("*step-*")), ["step-2", "step-4", "step-6"])
        (self.folder / "text.txt").write_text(before)
        said = self.plumb(*words, "train.resume=step-2").stderr
        log = (run / "log.txt").read_text()
        for step in (4, 6):
            line = f"notice    step-{step} is set aside as set-aside-1-step-{step}: the run goes on from step-2\n"
            self.assertEqual((said.count(line), log.count(line)), (1, 1), said)
            self.assertTrue((run / f"set-aside-1-step-{step}").is_dir())
        self.assertEqual(sorted(p.name for p in run.glob("step-*")), ["step-2", "step-4", "step-6"])
        for step in run.glob("step-*"):
            (step / "manifest.json").write_text("{")
        said = self.plumb(*words).stderr
        self.assertIn("notice    step-6 is damaged and was skipped: ", said)
        self.assertIn("notice    step-6 is set aside as set-aside-2-step-6: the run starts over\n", said)

    def test_a_disk_without_room_for_a_checkpoint_is_said_before_the_first_step(self):
        yaml = self.write()
        (self.folder / "run").mkdir()
        mount = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=$0 tmpfs run && exec "$@"']
        if subprocess.run([*mount, "1m", "true"], cwd=self.folder, capture_output=True).returncode:
            self.skipTest("no disk of its own can be mounted here")
        for ranks in ([], ["mpirun", "-n", "2"]):
            small = subprocess.run([*mount, "1m", *ranks, PLUMB, "train", yaml, "train.steps=100M"], cwd=self.folder,
                                   env=ENVIRONMENT, capture_output=True, text=True)
            self.assertEqual(small.returncode, 3, small.stderr)
            self.assertRegex(small.stderr, "/run: error: a checkpoint needs 1[0-9.]+ MiB, the disk has [0-9.]+ KiB\n      hint: free space")
            self.assertNotIn("step  1/", small.stderr)
        large = subprocess.run([*mount, "4m", PLUMB, "train", yaml], cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True)
        self.assertEqual(large.returncode, 0, large.stderr)
        size = re.search(r"saved     step-2 ([0-9.]+ KiB) in", large.stderr)[1]
        said = self.plumb("train", yaml, "--dry-run").stdout
        self.assertRegex(said, rf"checkpoint {size} each, [0-9.]+ .iB free on the disk of output.folder\n")

    def test_checkpoints_kept_by_the_clock(self):
        done = self.plumb("train", self.write(), "train.steps=100M", "output.checkpoint.every=none", "output.checkpoint.keep_last=1",
                          "output.checkpoint.keep_every=0.2s", "train.time_limit=2s", check=False)
        self.assertEqual(done.returncode, 75, done.stderr)
        steps = list((self.folder / "run").glob("step-*"))
        self.assertGreater(len(steps), 3, "the one at the end, and those that are kept for good")

    def test_files_of_others_are_not_written_over(self):
        yaml = self.write()
        mine = self.folder / "run"
        mine.mkdir()
        (mine / "report.md").write_text("mine")
        (mine / "notes.txt").write_text("mine")
        for words in ([], ["--dry-run"]):
            refused = self.plumb("train", yaml, *words, check=False)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("run: error: expected an empty folder or that of a run, found notes.txt and 1 more\n      hint: another", refused.stderr)
        self.assertEqual(sorted(p.name for p in mine.iterdir()), ["notes.txt", "report.md"])
        for path in mine.iterdir():
            path.unlink()
        (mine / "config.yaml").write_text("other: 1\n")
        self.assertIn("found config.yaml\n", self.plumb("train", yaml, check=False).stderr)
        # The configuration itself may lie there.
        (mine / "config.yaml").write_text(yaml.read_text().replace("text.txt", "../text.txt").replace("folder: run", "folder: ."))
        self.plumb("train", mine / "config.yaml")
        self.plumb("train", mine / "config.yaml", "train.steps=3", "train.accept_changes=[train.steps]")

    def test_a_folder_that_cannot_be_made_is_no_bug(self):
        yaml = self.write()
        (self.folder / "file").write_text("")
        refused = self.plumb("train", yaml, "output.folder=file/run", check=False)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("Not a directory", refused.stderr)
        self.assertNotIn("bug", refused.stderr)
        # Where nobody may make a folder, not even root.
        for words in (["train", yaml, "output.folder=/sys/run"], ["data", "build", yaml, "data.cache=/sys/cache"]):
            refused = self.plumb(*words, check=False)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertRegex(refused.stderr, "Operation not permitted|Permission denied|Read-only file system")
            self.assertNotIn("bug", refused.stderr)

    def test_a_run_whose_manifest_is_gone_goes_on(self):
        yaml = self.write()
        self.plumb("train", yaml)
        (self.folder / "run/manifest.json").unlink()
        self.plumb("train", yaml)
        self.assertIn('"status": "done"', (self.folder / "run/manifest.json").read_text())

    def test_a_file_whose_name_is_no_utf8_is_named(self):
        texts = self.folder / "texts"
        texts.mkdir()
        (texts / b"\xc7\xd1.jsonl".decode("utf-8", "surrogateescape")).write_text("no json\n")
        yaml = self.write(**{"{path: text.txt}]": "{path: texts, format: text}], strict: true"})
        refused = subprocess.run([PLUMB, "train", yaml], cwd=self.folder, capture_output=True)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn(b"\xc7\xd1.jsonl:1: ", refused.stderr)

    def test_metrics_by_token_do_not_compare_other_tokenizers(self):
        bytes_yaml = self.write()
        bpe_yaml = self.write("bpe.yaml", **{"{type: bytes}": "{type: bpe, vocab_size: 300}", "folder: run}": "folder: bpe}"})
        self.plumb("train", bytes_yaml)
        self.plumb("train", bpe_yaml)
        by_byte = self.plumb("eval", bytes_yaml, self.folder / "run", self.folder / "bpe")
        self.assertIn("bits_per_byte", by_byte.stdout)
        by_token = self.write("token.yaml", metric="perplexity")
        refused = self.plumb("eval", by_token, self.folder / "run", self.folder / "bpe", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("cuts text otherwise", refused.stderr)
        self.plumb("eval", by_token, self.folder / "run", self.folder / "run")

    def test_a_wrong_column_is_no_small_text(self):
        (self.folder / "rows.jsonl").write_text('{"txt": "one"}\n{"txt": "two"}\n')
        yaml = self.write(**{"text.txt}]": "rows.jsonl, format: text}]", "{type: bytes}": "{type: bpe, vocab_size: 300}"})
        refused = self.plumb("data", "build", yaml, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn('rows.jsonl:1: expected a field "text", found only: txt', refused.stderr)

    def test_a_group_of_commands_lists_itself(self):
        done = self.plumb("data", "--help")
        self.assertIn("data lineage", done.stdout)
        self.assertNotIn("tokenizer", done.stdout.replace("--tokenizer", ""))
        self.assertEqual(self.plumb("config", check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()

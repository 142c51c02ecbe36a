"""What a user types and reads: help, exit codes, one clear error for one mistake, nothing lost."""
import json
import shutil
import subprocess
import unittest
from pathlib import Path

from support import ENVIRONMENT, PLUMB, RunFolder


class CommandLine(RunFolder):
    def refused(self, *words, code=2, ranks=1):
        done = self.plumb(*words, check=False, ranks=ranks)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("terminate called", done.stderr)
        return done.stderr

    def test_help_names_every_command(self):
        text = self.plumb("--help").stdout
        for name in ("train", "tune", "eval", "generate", "export", "data build", "tokenizer train", "config check"):
            self.assertIn(name, text)
            done = self.plumb(*name.split(), "--help")
            self.assertIn("usage: plumb " + name, done.stdout)
        self.assertIn("train.schedule.warmup", self.plumb("train", "--help").stdout)

    def test_the_program_that_reads_files_loads_no_libtorch(self):
        needed = subprocess.run(["ldd", PLUMB], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("torch", needed)
        self.assertNotIn("libmpi", needed)
        engine = subprocess.run(["ldd", Path(PLUMB).parent / "plumb-engine"], capture_output=True, text=True, check=True).stdout
        self.assertIn("torch", engine)

    def test_half_a_plumb_says_which_half_is_missing(self):
        alone = self.folder / "bin/plumb"
        alone.parent.mkdir()
        shutil.copy(PLUMB, alone)
        run = lambda *words: subprocess.run([alone, *words], capture_output=True, text=True)
        self.assertEqual(run("config", "schema").returncode, 0)
        done = run("train", self.config())
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("plumb-engine", done.stderr)
        self.assertIn("hint: `cmake --install`", done.stderr)
        engine = self.folder / "lib/plumb/plumb-engine"  # where it is installed
        engine.parent.mkdir(parents=True)
        engine.write_text("#!/bin/sh\necho engine \"$@\"\n")
        engine.chmod(0o755)
        self.assertEqual(run("train", "x.yaml", "--dry-run").stdout, "engine train x.yaml --dry-run\n")

    def test_output_that_cannot_be_written_is_exit_3(self):
        config = self.config(steps=2)
        for words in (["config", "schema"], ["--help"], ["params"], ["train", config, "--dry-run"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([PLUMB, *words], stdout=full, stderr=subprocess.PIPE, text=True, cwd=self.folder)
            self.assertEqual(done.returncode, 3, words)
            self.assertIn("standard output: error: what is printed could not be written", done.stderr)

    def test_under_mpirun_a_command_of_one_process_runs_once(self):
        config = self.config(steps=2, save="2 steps")
        self.assertEqual(self.plumb("config", "check", config, ranks=2).stdout.count("ok"), 1)
        self.plumb("train", config)
        done = self.plumb("export", "run", "out", ranks=2)
        self.assertEqual(sorted(p.name for p in self.folder.glob("out*")), ["out"], done.stdout + done.stderr)
        self.assertTrue((self.folder / "out/config.json").exists())
        words = [PLUMB, "generate", "run", "--prompt", "the", "--max-new-tokens", "5"]  # bytes that may be no UTF-8
        one, two = (subprocess.run(launch + words, cwd=self.folder, env=ENVIRONMENT, check=True, capture_output=True).stdout
                    for launch in ([], ["mpirun", "-n", "2"]))
        self.assertEqual(one, two)
        self.assertEqual(self.plumb("export", "run", "out", ranks=2, check=False).returncode, 2)  # is not empty

    def test_mistakes_print_alike_whatever_found_them(self):
        bad = self.folder / "bad.yaml"
        bad.write_text("modle: {}\n")
        for words in (["config", "check", bad], ["train", bad], ["data", "build", bad], ["tokenizer", "train", bad]):
            self.assertRegex(self.refused(*words), r"(?m)^(/[^:]*/)?bad\.yaml:1:1: error: unknown key")

    def test_unknown_command_and_option(self):
        self.assertIn("did you mean 'plumb train'", self.refused("trian", "x.yaml"))
        self.assertIn("--dry-rum", self.refused("train", self.config(), "--dry-rum"))

    def test_missing_file_is_named(self):
        self.assertIn("nowhere.yaml", self.refused("train", "nowhere.yaml"))
        (self.folder / "text.txt").unlink()
        self.assertIn("text.txt", self.refused("train", self.config()))

    def test_every_mistake_at_once_with_place(self):
        (self.folder / "bad.yaml").write_text(
            "model: {family: llama}\nmethod:\n  lora_r: 16\ntrain: {steps: 5, epochs: 2, global_batch_size: 8}\n")
        text = self.refused("train", "bad.yaml")
        self.assertIn("bad.yaml:3:3: error: unknown key method.lora_r", text)
        self.assertIn("method.lora.rank", text)
        self.assertIn("expected one length", text)
        self.assertIn("nothing was started", text)

    def test_a_mistake_under_mpirun_ends_all_ranks_with_2(self):
        text = self.refused("train", self.config(), "train.global_batch_size=1", ranks=2)
        self.assertIn("train.global_batch_size", text)

    def test_a_mesh_that_does_not_fit_names_the_nearest(self):
        self.assertIn("parallel", self.refused("train", self.config(), "parallel.shard=3", ranks=2))

    def test_changed_weights_key_is_refused_on_resume_and_says_the_ways_out(self):
        config = self.config(steps=4)
        self.plumb("train", config)
        text = self.refused("train", config, "train.learning_rate=5e-4")
        self.assertIn("train.learning_rate", text)
        self.assertIn("accept_changes", text)

    def test_a_finished_run_says_so_and_ends_with_0(self):
        config = self.config(steps=4)
        self.plumb("train", config)
        self.assertIn("nothing to do", self.plumb("train", config).stderr)

    def test_resume_never_refuses_a_used_folder(self):
        config = self.config(steps=4)
        self.plumb("train", config)
        self.assertIn("train.resume is never", self.refused("train", config, "resume=never"))

    def test_damaged_checkpoint_is_named_and_passed_over(self):
        config = self.config(steps=6, save="2 steps")
        self.plumb("train", config, "output.checkpoint.keep_last=3")
        shard = next((self.folder / "run/step-6").glob("*.safetensors"))
        damaged = bytearray(shard.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        shard.write_bytes(damaged)
        done = self.plumb("train", config, "output.checkpoint.keep_last=3")
        self.assertIn(shard.name, done.stderr)
        self.assertIn("step-4", done.stderr)

    def test_dry_run_prints_plan_and_memory_and_starts_nothing(self):
        done = self.plumb("train", self.config(), "--dry-run")
        self.assertIn("largest micro-batch", done.stdout)
        legend, actions = done.stdout.split("actions of one step on rank 0\n")[1].splitlines()[:2]
        for word in ("F", "R", "I", "W", "gather", "release", "reduce", "finish", "[ ... ]"):
            self.assertIn(word, legend)
        self.assertIn("F(", actions)
        self.assertFalse((self.folder / "run").exists())

    def test_memory_limit_is_exit_3_before_step_1(self):
        text = self.refused("train", self.config(), "parallel.memory_limit=800KiB", code=3)
        self.assertIn("micro_batch", text)
        self.assertFalse((self.folder / "run/metrics.jsonl").exists())

    def test_not_finite_is_exit_5_on_every_rank(self):
        for ranks in (1, 2):
            text = self.refused("train", self.config(), "model.initializer_range=1e30", f"output.folder=r{ranks}", code=5,
                                ranks=ranks)
            self.assertIn("not finite", text)

    def test_resolved_file_runs_and_gives_the_same_losses(self):
        self.plumb("train", self.config(steps=4))
        self.plumb("train", "run/resolved.yaml", f"output.folder={self.folder}/again")
        self.assertEqual(self.losses("run"), self.losses("again"))

    def test_metrics_carry_full_names(self):
        self.plumb("train", self.config(steps=3))
        entry = json.loads((self.folder / "run/metrics.jsonl").read_text().splitlines()[0])
        for name in ("step", "tokens", "trained_tokens", "loss", "learning_rate", "grad_norm", "tokens_per_second", "mfu",
                     "memory_bytes", "seconds"):
            self.assertIn(name, entry)

    def test_tokenizer_round_trip(self):
        self.plumb("train", self.config(steps=1))
        (self.folder / "lines.txt").write_text("hello there\nking\n")
        ids = self.plumb("tokenizer", "encode", "--tokenizer", "run/tokenizer/tokenizer.json", "--lines", "lines.txt").stdout
        self.assertEqual(ids.splitlines()[1].split(), [str(b) for b in b"king"])


if __name__ == "__main__":
    unittest.main()

"""Sources in an object store (moto's S3 server from PyPI on loopback) and Parquet files written by pyarrow, as a user gives
them: the same dataset as from local files, a cache that keeps to its own, one clear error for what is missing."""
import gzip
import json
import shutil
import subprocess
import unittest
from pathlib import Path

from support import ENVIRONMENT, PLUMB, RunFolder

try:
    import boto3
    import pyarrow
    import pyarrow.parquet
    from moto.server import ThreadedMotoServer
except ImportError as error:
    raise unittest.SkipTest(f"{error} (scripts/setup --full installs it)")

CONFIG = """
model: {{family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 32}}
tokenizer: {{type: bytes}}
data: {{sources: {sources}, sequence_length: 32}}
train: {{steps: 2, global_batch_size: 2, learning_rate: 1e-3, precision: fp32}}
output: {{folder: run, progress: none}}
"""
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
without_arrow = "Arrow: not built" if not list(Path(PLUMB).parent.parent.glob("data/libplumb_arrow.so")) else ""


class Built(RunFolder):
    environment = {}

    def build(self, sources, name="run", check=True, words=()):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "run.yaml").write_text(CONFIG.format(sources=json.dumps(sources)))
        environment = {k: v for k, v in ENVIRONMENT.items() if not k.startswith("AWS_")} | self.environment
        done = subprocess.run([PLUMB, "data", "build", str(folder / "run.yaml"), *words], env=environment, text=True,
                              capture_output=True, timeout=300)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done


@unittest.skipIf(without_arrow, without_arrow)
class ParquetSource(Built):
    def account(self, path, **source):
        """What `plumb data report` says of a dataset of this file, but for the file itself."""
        name = path.replace(".", "-")
        done = self.build([{"path": str(self.folder / path), "name": "s", **source}], name,
                          words=["data.sequence_length=512", "model.max_position_embeddings=512"])
        dataset = [line.split()[-1] for line in done.stdout.splitlines() if line.strip().startswith("folder")][-1]
        subprocess.run([PLUMB, "data", "report", dataset, "--out", name + "-report"], cwd=self.folder, check=True, capture_output=True)
        report = json.loads((self.folder / (name + "-report") / "report.json").read_text())
        for source in report["sources"]:
            source.pop("bytes_on_disk")
        return report

    def test_the_same_account_as_from_json_lines_for_every_format(self):
        rows = [{"doc": f"d-{i}", "body": f"Text {i} with an é and 한글. " * (i % 5 + 1), "q": f"Which is {i}?", "a": f"{i}, of course",
                 "more": "beside it" if i % 3 else None, "talk": [{"role": "user", "content": f"hello {i}"}, {"role": "assistant", "content": "hello"}],
                 "be": "be brief", "url": f"https://www.site{i % 7}.co.kr/{i}", "other": list(range(i % 4))} for i in range(500)]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), self.folder / "a.parquet", row_group_size=64,
                                    compression="zstd")
        (self.folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for kind, fields in (("text", {"text": "body", "id": "doc"}),
                             ("alpaca", {"instruction": "q", "input": "more", "output": "a", "system": "be"}),
                             ("dolly", {"instruction": "q", "context": "more", "response": "a"}),
                             ("prompt_completion", {"prompt": "q", "completion": "a", "system": "be"}),
                             ("messages", {"messages": "talk"})):
            accounts = [self.account(file, format=kind, fields=fields) for file in ("a.parquet", "a.jsonl")]
            self.assertEqual(accounts[0], accounts[1], kind)
            self.assertEqual(accounts[0]["totals"]["documents"], 500)
            self.assertEqual(len(accounts[0]["domains"]), 7, kind)
        wrong = self.build([{"path": str(self.folder / "a.parquet"), "format": "text", "fields": {"text": "content"}}], "w", check=False)
        self.assertIn('expected a field "content"', wrong.stderr)

    def test_evaluation_sets_have_every_column(self):
        items = [{"question": f"{i} and {i}?", "choices": [str(i), str(2 * i), "none"], "label": 1, "prompt": "is it so", "completion": "yes",
                  "answer": "yes"} for i in range(1, 9)]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(items), self.folder / "e.parquet")
        (self.folder / "e.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        sets = [{"name": f"{metric}-{file[2:]}", "path": str(self.folder / file), "format": "prompt_completion", "metric": metric, "role": "domain",
                 "fields": fields} for file in ("e.parquet", "e.jsonl")
                for metric, fields in (("multiple_choice", {"prompt": "question", "choices": "choices", "answer": "label"}), ("answer_nll", {}))]
        text = CONFIG.format(sources=json.dumps([{"path": str(self.folder / "text.txt")}])) + f"eval: {{every: none, sets: {json.dumps(sets)}}}\n"
        (self.folder / "run.yaml").write_text(text)
        self.plumb("train", "run.yaml")
        scores = {score["name"]: score["value"] for score in json.loads((self.folder / "run/scores.json").read_text())["tuned"]}
        self.assertEqual(len(scores), 4)
        for metric in ("multiple_choice", "answer_nll"):
            self.assertEqual(scores[metric + "-parquet"], scores[metric + "-jsonl"])

    def test_damage_is_quarantined_with_its_place(self):
        table = pyarrow.table({"text": [f"row {i} " * 20 for i in range(100)]})
        pyarrow.parquet.write_table(table, self.folder / "good.parquet")
        whole = (self.folder / "good.parquet").read_bytes()
        folder = self.folder / "d"
        folder.mkdir()
        (folder / "a.parquet").write_bytes(whole)
        (folder / "b.parquet").write_bytes(whole[:-9])
        done = self.build([{"path": str(folder)}])
        quarantine = "".join(p.read_text() for p in self.folder.rglob("*quarantine*") if p.is_file())
        self.assertIn("b.parquet", done.stdout + done.stderr + quarantine)
        self.assertIn("not a readable Parquet file", done.stdout + done.stderr + quarantine)
        strict = self.build([{"path": str(folder)}], "strict", check=False, words=["data.strict=true"])
        self.assertEqual(strict.returncode, 2)
        self.assertIn("b.parquet:1: error: not a readable Parquet file", strict.stderr)


@unittest.skipIf(without_arrow, without_arrow)
class ObjectStore(Built):
    @classmethod
    def setUpClass(cls):
        cls.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        cls.server.start()
        host, port = cls.server.get_host_and_port()
        cls.endpoint = f"http://{host}:{port}"
        cls.environment = KEYS | {"AWS_ENDPOINT_URL": cls.endpoint}
        cls.s3 = boto3.client("s3", endpoint_url=cls.endpoint, region_name="us-east-1", aws_access_key_id="testing",
                              aws_secret_access_key="testing")
        cls.s3.create_bucket(Bucket="corpus")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        super().setUp()
        for entry in self.s3.list_objects_v2(Bucket="corpus").get("Contents", []):
            self.s3.delete_object(Bucket="corpus", Key=entry["Key"])
        self.local = self.folder / "local"
        self.put("web/a.jsonl.gz", gzip.compress(b"".join(b'{"text": "line %d of the web"}\n' % i for i in range(200)), mtime=0))
        self.put("web/deep/b.txt", b"a document further down " * 20)
        self.put("web/.hidden.txt", b"not read")
        self.put("web/notes.rst", b"not read")

    def put(self, key, content):
        (self.local / key).parent.mkdir(parents=True, exist_ok=True)
        (self.local / key).write_bytes(content)
        self.s3.put_object(Bucket="corpus", Key=key, Body=content)

    def content(self, done):
        """All that the ledger says but where it lies, and the bytes of tokens and document table."""
        lines = done.stdout.splitlines()
        folder = Path([line for line in lines if line.strip().startswith("folder")][-1].split()[1])
        stored = {p.name: p.read_bytes() for p in folder.iterdir() if p.name.startswith(("tokens-", "documents-"))}
        self.assertGreaterEqual(len(stored), 2)
        return [line for line in lines if line.strip().split(" ")[0] not in ("digest", "folder")], stored

    def test_folder_glob_and_object_equal_local_files(self):
        for path in ("web", "web/", "web/**/*.txt", "web/*.gz", "web/a.jsonl.gz"):
            remote = self.build([{"path": f"s3://corpus/{path}", "name": "s"}], "remote")
            local = self.build([{"path": str(self.local / path), "name": "s"}], "here")
            self.assertEqual(self.content(remote), self.content(local), path)
            shutil.rmtree(self.folder / "remote")
            shutil.rmtree(self.folder / "here")

    def test_a_second_build_fetches_nothing_and_a_changed_object_is_seen(self):
        self.build([{"path": "s3://corpus/web"}])
        # No hash is claimed of bytes that were not hashed: an object has its version.
        sources = [json.loads(line) for file in self.folder.rglob("sources.jsonl") for line in file.read_text().splitlines()]
        self.assertEqual([sorted(line) for line in sources], [["bytes", "name", "source", "version"]] * 2)
        kept = {p.name: p.stat().st_mtime_ns for p in self.folder.rglob("objects/*") if p.suffix not in (".json", ".lock")}
        self.assertEqual(len(kept), 2)
        first = self.build([{"path": "s3://corpus/web"}]).stdout
        self.assertEqual(kept, {p.name: p.stat().st_mtime_ns for p in self.folder.rglob("objects/*")
                                if p.suffix not in (".json", ".lock")})
        self.put("web/deep/b.txt", b"another document " * 30)
        self.assertNotEqual(first, self.build([{"path": "s3://corpus/web"}]).stdout)

    def test_the_cache_of_objects_keeps_to_its_limit(self):
        for name in ("x", "y", "z"):
            self.put(f"large/{name}.txt", f"text of {name} ".encode() * 60_000)  # 600 KB each
        self.build([{"path": "s3://corpus/large"}], words=["data.object_cache=1MiB"])
        kept = [p for p in (self.folder / "run/cache/objects").iterdir() if p.name.endswith(".txt")]
        self.assertEqual(len(kept), 1)
        self.put("large/zz.txt", b"one of more than the limit " * 50_000)
        done = self.build([{"path": "s3://corpus/large"}], check=False, words=["data.object_cache=1MiB"])
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("may hold 1048576", done.stderr)
        self.assertIn("data.object_cache", done.stderr)

    def dataset(self):
        """A dataset of several parts, in the store and here: (s3 path, folder, its tokenizer's digest)."""
        (self.folder / "parts").mkdir()
        for part in range(3):
            rows = (json.dumps({"text": f"part {part} line {i}: " + "abc " * (i % 30)}) + "\n" for i in range(200))
            (self.folder / f"parts/{part}.jsonl").write_text("".join(rows))
        done = self.build([{"path": str(self.folder / f"parts/{part}.jsonl"), "name": f"p{part}"} for part in range(3)], "built",
                          words=["data.packing=best_fit"])
        folder = Path([line.split()[-1] for line in done.stdout.splitlines() if line.strip().startswith("folder")][-1])
        for file in folder.iterdir():
            self.s3.put_object(Bucket="corpus", Key=f"sets/one/{file.name}", Body=file.read_bytes())
        return "s3://corpus/sets/one", folder

    def train(self, name, dataset, words=(), ranks=1, check=True):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        text = CONFIG.format(sources="[]").replace("data: {sources: [],", f"data: {{dataset: {dataset},").replace("tokenizer: {type: bytes}\n", "")
        (folder / "run.yaml").write_text(text.replace("steps: 2", "steps: 12").replace("progress: none", "progress: none, log_every: 1 steps"))
        command = (["mpirun", "-n", str(ranks)] if ranks > 1 else []) + [PLUMB, "train", str(folder / "run.yaml"), *words]
        done = subprocess.run(command, env=ENVIRONMENT | self.environment, text=True, capture_output=True, timeout=300)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return [json.loads(line)["loss"] for line in (folder / "run/metrics.jsonl").read_text().splitlines() if "loss" in json.loads(line)]
        return done

    def test_a_dataset_in_the_store_trains_as_a_local_one_on_any_ranks(self):
        remote, local = self.dataset()
        here = self.train("here", local)
        self.assertEqual(len(here), 12)
        self.assertEqual(self.train("there", remote), here)
        for ranks in (2,):
            self.assertEqual(self.train(f"there-{ranks}", remote, ranks=ranks), self.train(f"here-{ranks}", local, ranks=ranks))
        fetched = {p.name.split(".", 1)[1] for p in (self.folder / "there/cache/objects").iterdir() if p.suffix == ".bin"}
        self.assertIn("tokens-00002.bin", fetched)
        self.assertIn("blocks.bin", fetched)
        # Gone on from a checkpoint, with the dataset fetched anew into an empty cache.
        shutil.rmtree(self.folder / "there/cache/objects")
        self.assertEqual(len(self.train("there", remote, ["train.steps=14", "train.accept_changes=[train.steps]"])), 14)

    def test_a_dataset_in_the_store_is_inspected_reported_and_traced(self):
        remote, local = self.dataset()
        self.train("there", remote)
        def plumb(*words):
            done = subprocess.run([PLUMB, *map(str, words)], cwd=self.folder, env=ENVIRONMENT | self.environment | {"TMPDIR": str(self.folder)},
                                  text=True, capture_output=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return done.stdout
        inspected = [plumb("data", "inspect", "--verify", path).replace(str(path), "") for path in (remote, local)]
        self.assertEqual(inspected[0], inspected[1])
        self.assertIn("every byte of every file", inspected[0])
        plumb("data", "report", remote + "/", "--out", "r")
        plumb("data", "report", local, "--out", "l")
        self.assertEqual((self.folder / "r/report.json").read_text(), (self.folder / "l/report.json").read_text())
        lines = plumb("data", "lineage", "there/run", "--step", "3").splitlines()
        self.assertTrue(lines[-1].startswith("verified "), lines)
        self.assertIn("p", lines[1].split()[4])
        document = lines[1].split()[3]
        self.assertRegex(plumb("data", "lineage", "there/run", "--doc", document), rf"\n3 .*{document}")

    def test_damage_and_what_is_missing_are_named(self):
        remote, local = self.dataset()
        tokens = bytearray((local / "tokens-00001.bin").read_bytes())
        tokens[-1] ^= 1
        self.s3.put_object(Bucket="corpus", Key="sets/one/tokens-00001.bin", Body=bytes(tokens))
        done = self.train("there", remote, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("s3://corpus/sets/one/tokens-00001.bin: error: damaged", done.stderr)
        self.s3.delete_object(Bucket="corpus", Key="sets/one/tokens-00001.bin")
        done = self.train("gone", remote, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("s3://corpus/sets/one/tokens-00001.bin", done.stderr)
        done = self.train("none", "s3://corpus/web", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("manifest.json", done.stderr)

    def test_what_is_missing_is_named_once(self):
        for path, word in (("s3://corpus/none", "none"), ("s3://nobucket/x.txt", "nobucket")):
            done = self.build([{"path": path}], check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(word, done.stderr)
            self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
        self.environment = KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        done = self.build([{"path": "s3://corpus/web"}], check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("hint:", done.stderr)
        self.environment = KEYS | {"AWS_ENDPOINT_URL": "127.0.0.1"}
        self.assertIn("expected http://host:port", self.build([{"path": "s3://corpus/web"}], check=False).stderr)


if __name__ == "__main__":
    unittest.main()

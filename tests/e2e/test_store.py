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
    def test_the_same_dataset_as_from_json_lines(self):
        rows = [{"doc": f"d-{i}", "body": f"Text {i} with an é and 한글. " * (i % 5 + 1), "other": list(range(i % 4))} for i in range(500)]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), self.folder / "a.parquet", row_group_size=64,
                                    compression="zstd")
        (self.folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        fields = {"text": "body", "id": "doc"}
        from_parquet = self.build([{"path": str(self.folder / "a.parquet"), "name": "s", "fields": fields}], "p")
        from_lines = self.build([{"path": str(self.folder / "a.jsonl"), "name": "s", "fields": fields}], "j")
        wanted = ("documents read", "= kept", "bytes", "tokens", "trained tokens", "sequences")
        ledger = lambda done: [line for line in done.stdout.splitlines() if line.strip().startswith(wanted)]
        self.assertGreaterEqual(len(ledger(from_parquet)), len(wanted), from_parquet.stdout)
        self.assertEqual(ledger(from_parquet), ledger(from_lines))
        self.assertIn("500", from_parquet.stdout)

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

    def summary(self, done):
        return [line for line in done.stdout.splitlines() if "documents" in line]

    def test_folder_glob_and_object_equal_local_files(self):
        for path in ("web", "web/", "web/**/*.txt", "web/*.gz", "web/a.jsonl.gz"):
            remote = self.build([{"path": f"s3://corpus/{path}", "name": "s"}], "remote")
            local = self.build([{"path": str(self.local / path), "name": "s"}], "here")
            self.assertEqual(self.summary(remote), self.summary(local), path)
            self.assertTrue(self.summary(remote), remote.stdout)
            shutil.rmtree(self.folder / "remote")
            shutil.rmtree(self.folder / "here")

    def test_a_second_build_fetches_nothing_and_a_changed_object_is_seen(self):
        self.build([{"path": "s3://corpus/web"}])
        kept = {p.name: p.stat().st_mtime_ns for p in self.folder.rglob("objects/*") if p.suffix not in (".json", ".lock")}
        self.assertEqual(len(kept), 2)
        first = self.build([{"path": "s3://corpus/web"}]).stdout
        self.assertEqual(kept, {p.name: p.stat().st_mtime_ns for p in self.folder.rglob("objects/*")
                                if p.suffix not in (".json", ".lock")})
        self.put("web/deep/b.txt", b"another document " * 30)
        self.assertNotEqual(first, self.build([{"path": "s3://corpus/web"}]).stdout)

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

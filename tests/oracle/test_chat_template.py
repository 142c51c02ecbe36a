"""Chat templates against transformers: what plumb renders is what apply_chat_template renders for the exported text."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from tokenizers import Tokenizer, models  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

SOURCE = Path(os.environ.get("TEST_SOURCE_DIR", Path(__file__).resolve().parents[2]))
PLUMB = Path(os.environ.get("TEST_PLUMB", SOURCE / "build/release/trainer/plumb"))
BINARY = Path(os.environ.get("TEST_DATA_BINARY", PLUMB.parents[1] / "tests/plumb_data_tests"))


def renders():
    if not BINARY.exists():
        raise unittest.SkipTest(f"{BINARY} is not built")
    with tempfile.TemporaryDirectory() as folder:
        golden = Path(folder) / "golden.json"
        subprocess.run([str(BINARY), "--gtest_filter=ChatTemplateGolden.*"], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, TEST_GOLDEN=str(golden)))
        return json.loads(golden.read_text(encoding="utf-8"))


class ChatTemplates(unittest.TestCase):
    def test_equal_to_apply_chat_template(self):
        compared = 0
        for entry in renders():
            specials = {"eos_token": entry["eos_token"]}
            if entry["bos_token"]:
                specials["bos_token"] = entry["bos_token"]
            tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({}, [])), **specials)
            for case in entry["cases"]:
                with self.subTest(template=entry["name"], messages=case["messages"]):
                    expected = tokenizer.apply_chat_template(
                        case["messages"], chat_template=entry["jinja"], tokenize=False,
                        add_generation_prompt=case["add_generation_prompt"])
                    self.assertEqual(case["text"], expected)
                compared += 1
        self.assertGreaterEqual(compared, 9 * 18)


if __name__ == "__main__":
    unittest.main()

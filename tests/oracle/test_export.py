"""Exported folders against transformers and PEFT: same logits, same greedy tokens, same bytes the second time."""
import hashlib
import io
import json
import subprocess
import sys
import unittest
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from support import ENVIRONMENT, PLUMB, RunFolder, make_text  # noqa: E402

EOS = "<|endoftext|>"


def byte_tokenizer():
    """256 bytes and an end token, as tokenizers writes a byte-level BPE without merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(EOS, special=True)])
    return tokenizer


def make_folder(folder, tied, scaled, seed=0, vocabulary=257):
    """A random-weight Llama made by transformers; weights large enough that logits tell positions apart."""
    torch.manual_seed(seed)
    rope = {"rope_type": "default", "rope_theta": 10000.0}
    if scaled:
        rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    config = LlamaConfig(vocab_size=vocabulary, hidden_size=64, intermediate_size=112, num_hidden_layers=3, num_attention_heads=4,
                         num_key_value_heads=2, head_dim=24 if scaled else 16, max_position_embeddings=256,
                         tie_word_embeddings=tied, rope_parameters=rope, rms_norm_eps=1e-5, bos_token_id=None,
                         eos_token_id=256, pad_token_id=None)
    model = LlamaForCausalLM(config).float()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(1 + 0.1 * torch.randn_like(value) if value.dim() == 1 else 0.15 * torch.randn_like(value))
    model.save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOS}))
    return model.eval()


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float()


class ExportChecks(RunFolder):
    def export(self, model, out, *words):
        return self.plumb("export", model, self.folder / out, *words).stdout

    def check_same_logits(self, ours, theirs):
        ids = [(7 * i * i + 3 * i) % 256 for i in range(200)]
        self.assertEqual(ours.config.vocab_size, theirs.config.vocab_size)
        difference = (logits_of(ours, ids) - logits_of(theirs, ids)).abs().max().item()
        self.assertLess(difference, 1e-4)

    def check_greedy(self, folder, model, prompt="the king speaks to"):
        """64 greedy tokens of `plumb generate` are those of transformers, byte for byte."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = tokenizer.encode(prompt, add_special_tokens=False).ids
        with torch.no_grad():
            out = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=64, eos_token_id=256, pad_token_id=256)
        expected = [i for i in out[0, len(ids):].tolist() if i < 256]
        unicode_to_byte = {c: b for b, c in bytes_to_unicode().items()}
        wanted = bytes(unicode_to_byte[tokenizer.id_to_token(i)] for i in expected)
        done = self.plumb_bytes("generate", folder, "--prompt", prompt, "--max-new-tokens", "64", "--template", "plain",
                                "train.precision=fp32", "parallel.device=cpu")
        self.assertEqual(done, wanted + b"\n")

    def plumb_bytes(self, *words):
        done = subprocess.run([PLUMB, *map(str, words)], capture_output=True, env=ENVIRONMENT, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stdout

    def check_round_trip(self, model, name):
        self.export(self.folder / name, name + "-1", "--dtype", "fp32")
        self.export(self.folder / (name + "-1"), name + "-2", "--dtype", "fp32")
        self.assertEqual(digests(self.folder / (name + "-1")), digests(self.folder / (name + "-2")))
        theirs = AutoModelForCausalLM.from_pretrained(self.folder / (name + "-1"), dtype=torch.float32)
        self.check_same_logits(theirs, model)
        original = load_file(self.folder / name / "model.safetensors")
        written = load_file(self.folder / (name + "-1") / "model.safetensors")
        self.assertEqual(set(original), set(written))
        for key, value in original.items():
            self.assertTrue(torch.equal(value, written[key]), key)
        return theirs


class Export(ExportChecks):
    def test_tied_with_llama3_rope(self):
        model = make_folder(self.folder / "tied", tied=True, scaled=True)
        theirs = self.check_round_trip(model, "tied")
        self.assertTrue(theirs.config.tie_word_embeddings)
        self.assertEqual(theirs.config.head_dim, 24)
        self.assertNotIn("lm_head.weight", load_file(self.folder / "tied-1" / "model.safetensors"))
        self.check_greedy(self.folder / "tied-1", model)

    def test_untied(self):
        model = make_folder(self.folder / "untied", tied=False, scaled=False)
        theirs = self.check_round_trip(model, "untied")
        self.assertFalse(theirs.config.tie_word_embeddings)
        self.check_greedy(self.folder / "untied-1", model)
        self.check_greedy(self.folder / "untied", model, prompt="a rose holds the sea")

    def test_config_types_and_files(self):
        make_folder(self.folder / "m", tied=True, scaled=True)
        self.export(self.folder / "m", "out")
        names = {path.name for path in (self.folder / "out").iterdir()}
        self.assertTrue({"config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
                         "tokenizer_config.json"} <= names, names)
        self.assertEqual([name for name in names if name.endswith(".safetensors")], ["model.safetensors"])
        config = json.loads((self.folder / "out" / "config.json").read_text())
        self.assertEqual((config["torch_dtype"], config["dtype"]), ("bfloat16", "bfloat16"))
        self.assertEqual(config["rope_scaling"]["rope_type"], "llama3")
        self.assertEqual(config["rope_parameters"]["rope_theta"], config["rope_theta"])
        self.assertIs(type(config["vocab_size"]), int)
        self.assertIs(type(config["rope_theta"]), float)
        generation = json.loads((self.folder / "out" / "generation_config.json").read_text())
        self.assertEqual(generation["eos_token_id"], [256])
        tokenizer = AutoTokenizer.from_pretrained(self.folder / "out")
        self.assertEqual(tokenizer.eos_token, EOS)
        self.assertEqual(tokenizer.decode(tokenizer.encode("héllo", add_special_tokens=False)), "héllo")
        tensors = load_file(self.folder / "out" / "model.safetensors")
        source = load_file(self.folder / "m" / "model.safetensors")
        for name, value in tensors.items():
            self.assertTrue(torch.equal(value, source[name].to(torch.bfloat16)), name)

    def test_shards(self):
        model = make_folder(self.folder / "m", tied=False, scaled=False)
        self.export(self.folder / "m", "out", "--dtype", "fp32", "--max-shard", "100KB")
        index = json.loads((self.folder / "out" / "model.safetensors.index.json").read_text())
        files = sorted(path.name for path in (self.folder / "out").glob("*.safetensors"))
        self.assertGreater(len(files), 2)
        self.assertEqual(files, sorted(set(index["weight_map"].values())))
        total = 4 * sum(p.numel() for p in model.parameters())
        self.assertEqual(index["metadata"]["total_size"], total)
        theirs = AutoModelForCausalLM.from_pretrained(self.folder / "out", dtype=torch.float32)
        self.check_same_logits(theirs, model)
        self.export(self.folder / "out", "again", "--dtype", "fp32", "--max-shard", "100KB")
        self.assertEqual(digests(self.folder / "out"), digests(self.folder / "again"))

    def test_refuses_a_folder_with_files(self):
        make_folder(self.folder / "m", tied=True, scaled=False)
        (self.folder / "full").mkdir()
        (self.folder / "full" / "old.safetensors").write_text("x")
        done = self.plumb("export", self.folder / "m", self.folder / "full", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("not empty", done.stderr)
        self.assertEqual(sorted(p.name for p in (self.folder / "full").iterdir()), ["old.safetensors"])

    def test_damaged_shard_is_named(self):
        make_folder(self.folder / "m", tied=True, scaled=False)
        file = self.folder / "m" / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-4])
        done = self.plumb("export", self.folder / "m", self.folder / "out", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("model.safetensors", done.stderr)
        self.assertFalse((self.folder / "out").exists())


class SpecialTokens(ExportChecks):
    """What tokenizer_config.json names beside bos, eos and pad, and SentencePiece models that no tokenizer.json is equal to."""

    def test_other_roles_come_back(self):
        make_folder(self.folder / "m", tied=True, scaled=False, vocabulary=264)
        tokenizer = byte_tokenizer()
        mask = AddedToken("<mask>", special=True, lstrip=True)
        tokenizer.add_special_tokens([mask, AddedToken("[SEP]", special=True), AddedToken("[UNK]", special=True)])
        tokenizer.save(str(self.folder / "m/tokenizer.json"))
        (self.folder / "m/tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOS, "unk_token": "[UNK]", "sep_token": "[SEP]",
            "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False,
                           "single_word": False, "special": True}}))
        self.export(self.folder / "m", "out", "--dtype", "fp32")
        before, after = (AutoTokenizer.from_pretrained(self.folder / name) for name in ("m", "out"))
        for role in ("unk_token", "sep_token", "mask_token", "cls_token", "bos_token", "eos_token", "pad_token"):
            self.assertEqual(getattr(after, role), getattr(before, role), role)
        self.assertEqual((after.unk_token, after.sep_token, after.mask_token), ("[UNK]", "[SEP]", "<mask>"))
        text = "the king <mask> holds[SEP] a rose"
        self.assertEqual(after.encode(text), before.encode(text))
        self.assertEqual(after.encode(text), tokenizer.encode(text).ids)
        self.export(self.folder / "out", "again", "--dtype", "fp32")
        self.assertEqual(digests(self.folder / "out"), digests(self.folder / "again"))

    def test_a_role_that_is_no_token_does_not_grow_the_vocabulary(self):
        make_folder(self.folder / "m", tied=True, scaled=False)
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOS, "cls_token": "[CLS]", "unk_token": EOS}
        (self.folder / "m/tokenizer_config.json").write_text(json.dumps(config))
        self.export(self.folder / "m", "out", "--dtype", "fp32")
        after = AutoTokenizer.from_pretrained(self.folder / "out")
        self.assertEqual((len(after), after.unk_token, after.cls_token), (257, EOS, None))

    def sentencepiece_model(self, **options):
        import sentencepiece
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(make_text().split(".")), model_writer=model, minloglevel=2, hard_vocab_limit=False,
            num_threads=1, vocab_size=320, byte_fallback=True, user_defined_symbols=["<|x|>"], **options)
        (self.folder / "tokenizer.model").write_bytes(model.getvalue())
        self.plumb("train", self.config(steps=1), "tokenizer.type=file", "tokenizer.path=tokenizer.model")
        self.export(self.folder / "run", "out")
        names = {path.name for path in (self.folder / "out").iterdir()}
        self.assertIn("tokenizer.model", names)
        self.assertNotIn("tokenizer.json", names)
        return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())

    def check_ids(self, theirs, name):
        after = AutoTokenizer.from_pretrained(self.folder / "out")
        self.assertEqual((type(after).__name__, after.unk_token, len(after)), (name, "<unk>", theirs.get_piece_size()))
        for text in ("the king <|x|> holds a crown", "x<|x|>y", "나는 the sea", "a  b"):
            self.assertEqual(after.encode(text, add_special_tokens=False), theirs.encode(text), text)

    def test_unigram_without_an_equal_json(self):
        self.check_ids(self.sentencepiece_model(model_type="unigram"), "SentencePieceBackend")

    def test_bpe_without_an_equal_json(self):
        theirs = self.sentencepiece_model(model_type="bpe", normalization_rule_name="identity", remove_extra_whitespaces=False)
        config = json.loads((self.folder / "out/tokenizer_config.json").read_text())
        self.assertEqual((config["tokenizer_class"], config["unk_token"]), ("LlamaTokenizer", "<unk>"))
        self.check_ids(theirs, "LlamaTokenizer")


LORA = """
model: {{base: m}}
data: {{sources: [{{path: text.txt, format: text}}], sequence_length: 32}}
method: {{name: pretrain, adapter: lora, lora: {{rank: 4, alpha: 12, targets: [q_proj, v_proj, down_proj]}}}}
train: {{steps: 20, global_batch_size: 8, micro_batch_size: 4, learning_rate: 1e-2, precision: fp32}}
parallel: {{threads: 1}}
output: {{folder: run, progress: lines}}
eval: {{every: none, before: false}}
"""


class MergedAdapter(ExportChecks):
    def test_merge_is_what_peft_computes(self):
        from peft import LoraConfig, get_peft_model
        model = make_folder(self.folder / "m", tied=True, scaled=True)
        (self.folder / "lora.yaml").write_text(LORA.format())
        self.plumb("tune", self.folder / "lora.yaml")
        said = self.export(self.folder / "run", "merged", "--dtype", "fp32")
        self.assertIn("merged 9 adapted matrices", said)
        adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"]))
        step = max((self.folder / "run").glob("step-*"), key=lambda p: int(p.name.split("-")[1]))
        held = {}
        for file in step.glob("*.safetensors"):
            held.update(load_file(file))
        adapters = 0
        with torch.no_grad():
            for name, value in adapted.named_parameters():
                if ".lora_" not in name:
                    continue
                parts = name.split("layers.")[1].split(".")  # I self_attn q_proj lora_A default weight
                room = {"self_attn": "attention", "mlp": "mlp"}[parts[1]]
                wanted = f"blocks.{parts[0]}.{room}.{parts[2]}.{parts[3].lower()}"
                found = [v for k, v in held.items() if wanted in k and "adamw" not in k]
                self.assertEqual(len(found), 1, wanted)
                value.copy_(found[0].reshape(value.shape))
                adapters += 1
        self.assertEqual(adapters, 18)
        merged = AutoModelForCausalLM.from_pretrained(self.folder / "merged", dtype=torch.float32)
        self.check_same_logits(merged, adapted)
        self.assertGreater(self.distance_to_base(merged), 1e-2)  # the adapter has learned something
        self.check_greedy(self.folder / "merged", merged)
        self.export(self.folder / "merged", "again", "--dtype", "fp32")
        self.assertEqual(digests(self.folder / "merged"), digests(self.folder / "again"))

    def distance_to_base(self, merged):
        base = AutoModelForCausalLM.from_pretrained(self.folder / "m", dtype=torch.float32)
        return (logits_of(merged, [1, 2, 3]) - logits_of(base, [1, 2, 3])).abs().max().item()


def bytes_to_unicode():
    """GPT-2's table: printable bytes stand for themselves, the others for characters from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in printable}, 0
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


if __name__ == "__main__":
    unittest.main()

"""Small tokenizers with every component of tokenizer.json, and the pipelines of known models over a small vocabulary."""

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
KIMI = "|".join([
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
DEEPSEEK = [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
            r"\s*[\r\n]+|\s+(?!\S)|\s+"]
DEEPSEEK_CODER = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}"]
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
EXAONE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
SPACE = "\u2581"


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def level(prefix=False, regex=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def bpe(texts, pre_tokenizer, normalizer=None, decoder=None, size=700, alphabet=True, model=None, **options):
    tokenizer = Tokenizer(model or models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder or decoders.ByteLevel()
    specials = [t for t in (options.get("unk_token"),) if t] + ["<s>", "</s>"]
    if options.get("byte_fallback"):
        specials += [f"<0x{b:02X}>" for b in range(256)]
    affixes = {k: options[k] for k in ("continuing_subword_prefix", "end_of_word_suffix") if k in options}
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size + len(specials), special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [], limit_alphabet=400, **affixes))
    return tokenizer


def llama2_decoder():
    return decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(),
                              decoders.Strip(" ", 1, 0)])


def wordpiece(texts, lowercase, **options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", **options))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False,
        limit_alphabet=300))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def unigram(texts, normalizer, pre_tokenizer, decoder=None, byte_fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder or decoders.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    if byte_fallback:
        specials += [f"<0x{b:02X}>" for b in range(256)]
    # All characters of the texts must fit the vocabulary.
    plain = [text.encode("ascii", "ignore").decode() for text in texts] + ["\u00e9t\u00e9 \ud55c\uae00 \u00fcber " * 20]
    tokenizer.train_from_iterator(plain, trainers.UnigramTrainer(
        vocab_size=350 + len(specials), special_tokens=specials, unk_token="<unk>", show_progress=False))
    if byte_fallback:
        import json
        state = json.loads(tokenizer.to_str())
        state["model"]["byte_fallback"] = True
        tokenizer = Tokenizer.from_str(json.dumps(state))
    return tokenizer


def of_models(texts, charsmap):
    """name -> tokenizer: the pipelines of published models."""
    replace, prepend, sequence = normalizers.Replace, normalizers.Prepend, normalizers.Sequence
    cut = pre_tokenizers.Sequence
    llama2 = dict(decoder=llama2_decoder(), alphabet=False, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    xlm = sequence([normalizers.Precompiled(charsmap), replace(Regex(" {2,}"), " ")])
    made = {
        "llama-3": bpe(texts, cut([split(LLAMA3), level()]), ignore_merges=True),
        "qwen-2": bpe(texts, cut([split(LLAMA3.replace("{1,3}", "")), level()]), normalizers.NFC()),
        "qwen-3.5": bpe(texts, cut([split(LLAMA3.replace("{1,3}", "").replace(r"\p{L}+", r"[\p{L}\p{M}]+")), level()])),
        "o200k": bpe(texts, cut([split(O200K, "removed", True), level()])),
        "kimi": bpe(texts, cut([split(KIMI), level()])),
        "deepseek-v3": bpe(texts, cut([split(p) for p in DEEPSEEK] + [level()]), sequence([])),
        "deepseek-coder": bpe(texts, cut([split(p) for p in DEEPSEEK_CODER[:4]] + [
            pre_tokenizers.Digits(True), level()])),
        "starcoder": bpe(texts, cut([pre_tokenizers.Digits(True), level(False, True)])),
        "falcon": bpe(texts, cut([pre_tokenizers.Punctuation("contiguous"), level(False, True), pre_tokenizers.Digits(False),
                                  split("[0-9][0-9][0-9]")])),
        "bloom": bpe(texts, cut([split(BLOOM), level()])),
        "exaone": bpe(texts, cut([split(EXAONE), level()]), normalizers.NFC()),
        "clip": bpe(texts, cut([split(CLIP, "removed", True), level()]), sequence([
            normalizers.NFC(), replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
            continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token="<|endoftext|>"),
        "llama-2": bpe(texts, None, sequence([prepend(SPACE), replace(" ", SPACE)]), **llama2),
        "llama-2 new": bpe(texts, pre_tokenizers.Metaspace(SPACE, "first", False), **llama2),
        "mistral": bpe(texts, pre_tokenizers.Metaspace(SPACE, "always", True), **llama2),
        "gemma": bpe(texts, pre_tokenizers.Split(" ", "merged_with_previous"), replace(" ", SPACE), **llama2),
        "bert": wordpiece(texts, True),
        "bert cased": wordpiece(texts, False, max_input_chars_per_word=20),
        "t5": unigram(texts, normalizers.Precompiled(charsmap), cut([
            pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])),
        "xlm-r": unigram(texts, xlm, pre_tokenizers.Metaspace(SPACE, "always")),
        "albert": unigram(texts, sequence([replace("``", '"'), replace("''", '"'), normalizers.NFKD(),
                                           normalizers.StripAccents(), normalizers.Lowercase(), xlm]),
                          pre_tokenizers.Metaspace(SPACE, "first")),
        "unigram bytes": unigram(texts, sequence([normalizers.Nmt(), normalizers.NFKC()]),
                                 pre_tokenizers.Metaspace(SPACE, "never"), llama2_decoder(), True),
    }
    made["roberta"] = bpe(texts, level(True, True))
    made["roberta"].post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return made


def of_components(texts):
    """name -> tokenizer: what no published model was remembered for."""
    cut, sequence = pre_tokenizers.Sequence, normalizers.Sequence
    words = shown_bytes
    made = {
        "word level": word_level(texts, pre_tokenizers.Whitespace()),
        "whitespace": words(pre_tokenizers.Whitespace()),
        "scripts": words(cut([pre_tokenizers.UnicodeScripts(), pre_tokenizers.WhitespaceSplit()])),
        "fixed": words(pre_tokenizers.FixedLength(3)),
        "delimiter": words(pre_tokenizers.CharDelimiterSplit("e")),
        "digits": words(cut([pre_tokenizers.Digits(False), pre_tokenizers.WhitespaceSplit()])),
        "strip": words(pre_tokenizers.Metaspace(SPACE, "first"), normalizers.Strip()),
        "strip left": words(pre_tokenizers.Metaspace(SPACE, "first"), normalizers.Strip(True, False)),
        "nfd": words(pre_tokenizers.Whitespace(), sequence([normalizers.NFD(), normalizers.StripAccents()])),
        "nfkd": words(pre_tokenizers.FixedLength(2), normalizers.NFKD()),
        "nfkc": words(pre_tokenizers.FixedLength(1), normalizers.NFKC()),
        "lower": words(pre_tokenizers.FixedLength(1), normalizers.Lowercase()),
        "nmt": words(pre_tokenizers.FixedLength(1), normalizers.Nmt()),
        "accents": words(pre_tokenizers.FixedLength(1), normalizers.StripAccents()),
        "byte-level normalizer": bpe(texts, pre_tokenizers.Whitespace(), normalizers.ByteLevel()),
        "bert parts": words(pre_tokenizers.FixedLength(1), normalizers.BertNormalizer(True, True, True, True)),
        "bert plain": words(pre_tokenizers.FixedLength(1), normalizers.BertNormalizer(True, False, False, False)),
        "replace": words(pre_tokenizers.WhitespaceSplit(), sequence([
            normalizers.Replace(Regex(r"\s+"), " "), normalizers.Replace(Regex(r"(?i)the"), "x y"),
            normalizers.Replace(Regex(r"[[:punct:]&&[^.]]"), "")])),
        "continuing": bpe(texts, pre_tokenizers.Whitespace(), alphabet=False, unk_token="<unk>",
                          continuing_subword_prefix="##", decoder=decoders.WordPiece("##", False)),
        "suffix": bpe(texts, pre_tokenizers.Whitespace(), alphabet=False, unk_token="<unk>", end_of_word_suffix="</w>",
                      decoder=decoders.BPEDecoder("</w>")),
        "unknown apart": bpe(texts, None, alphabet=False, unk_token="<unk>", fuse_unk=False, decoder=decoders.Fuse()),
        "unknown lost": bpe(texts, pre_tokenizers.Whitespace(), alphabet=False, decoder=decoders.CTC("<s>", "|", True)),
    }
    for behavior in "removed isolated merged_with_previous merged_with_next contiguous".split():
        made[f"split {behavior}"] = words(split(r"\s|[,.']+|(?=a)", behavior))
        made[f"split {behavior} inverted"] = words(split(r"\w+", behavior, True))
        made[f"punctuation {behavior}"] = words(pre_tokenizers.Punctuation(behavior))
    for scheme in "always first never".split():
        for cuts in True, False:
            made[f"metaspace {scheme} {cuts}"] = words(
                pre_tokenizers.Metaspace("_", scheme, cuts), decoder=decoders.Metaspace("_", scheme, cuts))
    for pattern in (r"\b\w", r"(?<=\d)[a-z]{,2}", r"\d{1,3}+|\S+?", r"^.|.$", r"[^\W\d]+", r"\p{^L}+", r"(?m:.+)", r"\h+|\x{e9}",
                    r"[a-c\d-]+|[]x]", r"\p{Greek}|\p{Hangul}+|\p{Hiragana}"):
        made[f"pattern {pattern}"] = words(split(pattern))
    return made


def word_level(texts, pre_tokenizer):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(
        vocab_size=2000, special_tokens=["<unk>", "<s>"], show_progress=False))
    return tokenizer


def shown_bytes(pre_tokenizer, normalizer=None, decoder=None):
    """Ids are the bytes of the text, with a space where a piece begins: normal forms and cuts can be seen in them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizer, level(True)])
    tokenizer.decoder = decoder or decoders.ByteLevel()
    return tokenizer


def with_added_tokens(tokenizer):
    tokenizer.add_tokens([AddedToken(" the", lstrip=True, normalized=True), AddedToken("123", single_word=True),
                          AddedToken("  ", rstrip=True, normalized=True), AddedToken("'re", single_word=True, lstrip=True),
                          AddedToken("Et", normalized=True), AddedToken("ing", normalized=True)])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True), "<|endoftext|>"])
    return tokenizer

"""Small tokenizers of Hugging Face's own library (tokenizers 0.23.2) and what they make of texts in many scripts.

python record.py, in this folder, with that package installed. Same version, same files.
"""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.implementations import CharBPETokenizer

TEXTS = [
    "", " ", "   \t ", "a red circle above a blue star", "A RED Circle", "Hello, World!", "don't I'LL we've the child's",
    "  lead and  trail  ", "tabs\tand\nlines\r\n", "nul\u0000l bell\u0007 \u001b[0m escape", "x" * 70, "1234567 3.14 2,000", "C++ / C# && || != <= >=", "...---...!!??",
    "snake_case kebab-case user@example.com", "naïve café résumé", "e\u0301tude a\u0301", "ﬁne ﬂag", "ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ αβγ", "Привет, мир", "你好世界 一只猫。", "こんにちは 猫",
    "안녕하세요", "مرحبا بالعالم", "नमस्ते दुनिया", "emoji 😀 👩‍👩‍👧 🏳️‍🌈 🇬🇧", "İstanbul ısı ẞ ß", "Ⅷ ① ٣ ½ ²", "𝓐𝓑 math", "a\u200bzero\u00a0nbsp\u3000wide", "a\ufeffb \u001c\u001d c\u0085d\u2028e",
    "\ue000 private \U0010ffff", "<s> and </s> [UNK] [PAD] <mask>x <mask> y", "_under_ __score__", "“smart” ‘quotes’ — dash…", "a🐱b c9d 9th", "ÀÁÂ àáâ", "a\u0000\u0085 \u00a0b",
]
CORPUS = TEXTS * 3 + ["a red circle above a blue star", "the orange square, below the heart's edge"] * 5


def record(name, tokenizer):
    tokenizer.save(f"{name}.json")
    file = json.load(open(f"{name}.json"))
    json.dump(file, open(f"{name}.json", "w"), ensure_ascii=True, separators=(",", ":"))
    rows = []
    for text in TEXTS:
        bare = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append({"text": text, "ids": tokenizer.encode(text).ids, "bare": bare, "decoded": tokenizer.decode(bare)})
    return rows


recorded = {}

byte_level = Tokenizer(models.BPE())
byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
byte_level.decoder = decoders.ByteLevel()
byte_level.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, special_tokens=["<s>", "<pad>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
byte_level.add_special_tokens([AddedToken("<mask>", lstrip=True)])
byte_level.add_tokens([AddedToken("Circle", single_word=True, normalized=True)])
byte_level.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
recorded["byte-level"] = record("byte-level", byte_level)

char_bpe = CharBPETokenizer(unk_token="[UNK]", lowercase=True)
char_bpe.train_from_iterator(CORPUS, vocab_size=300, min_frequency=2, special_tokens=["[UNK]"], limit_alphabet=90, show_progress=False)
char_bpe.save_model(".", "char-bpe")
char_bpe = CharBPETokenizer.from_file("char-bpe-vocab.json", "char-bpe-merges.txt", unk_token="[UNK]", lowercase=True)
char_bpe.add_special_tokens(["[PAD]"])
recorded["char-bpe"] = record("char-bpe", char_bpe._tokenizer)

words = Tokenizer(models.BPE(unk_token="[UNK]", fuse_unk=True))
words.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()])
words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
words.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=160, special_tokens=["[UNK]", "[CLS]", "[SEP]"], limit_alphabet=50, show_progress=False))
words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
recorded["words"] = record("words", words)

# The split of GPT-4 and its successors, as Hugging Face writes it.
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
split = Tokenizer(models.BPE(ignore_merges=True))
split.normalizer = normalizers.NFC()
split.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
split.decoder = decoders.ByteLevel()
split.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=380, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
recorded["split"] = record("split", split)

metaspace = Tokenizer(models.BPE(unk_token="<unk>"))
metaspace.normalizer = normalizers.Replace(Regex(r"[\t\n]+"), " ")
metaspace.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Punctuation("merged_with_previous")])
metaspace.decoder = decoders.Metaspace(prepend_scheme="first")
metaspace.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=180, special_tokens=["<unk>"], limit_alphabet=70, show_progress=False))
recorded["metaspace"] = record("metaspace", metaspace)

json.dump(recorded, open("recorded.json", "w"), ensure_ascii=True, separators=(",", ":"))

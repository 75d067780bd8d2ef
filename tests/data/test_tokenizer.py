import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies

from jaxdl.data.tokenizer import encode, load_tokenizer, save_tokenizer, train_tokenizer
from jaxdl.errors import UsageError, UserError

TEXTS = ["A good film.<br /><br />A GOOD film!", "not good, not bad: a film", "bad bad film"]
TOKENIZER = train_tokenizer(TEXTS)
VOCABULARY = TOKENIZER.get_vocab()

any_text = strategies.text(strategies.characters(exclude_categories=()))
any_texts = strategies.lists(any_text | strategies.sampled_from(TEXTS), max_size=5)


def words(text, length=50, truncation="start"):
    encoded = encode(TOKENIZER, [text], length, truncation)
    return [TOKENIZER.id_to_token(i) for i in encoded["tokens"][0, : encoded["length"][0]]]


def test_words_are_lower_case_without_line_breaks_and_punctuation_is_split_off():
    assert words(TEXTS[0]) == ["a", "good", "film", ".", "a", "good", "film", "!"]
    assert "br" not in VOCABULARY


def test_ids_are_ordered_by_frequency_then_alphabetically():
    assert [TOKENIZER.id_to_token(i) for i in range(7)] == [
        "[PAD]",
        "[UNK]",
        "film",
        "a",
        "bad",
        "good",
        "not",
    ]
    assert sorted(VOCABULARY.values()) == list(range(len(VOCABULARY)))


def test_the_same_texts_give_the_same_tokenizer_in_any_order():
    many = [f"{number % 7} {number}" for number in range(500)]
    tokenizers = [train_tokenizer(texts, 100).to_str() for texts in (many, many[::-1])]
    assert tokenizers[0] == tokenizers[1]


def test_the_vocabulary_has_at_most_the_given_size():
    tokenizer = train_tokenizer(TEXTS, 4)
    assert tokenizer.get_vocab() == {"[PAD]": 0, "[UNK]": 1, "film": 2, "a": 3}
    encoded = encode(tokenizer, np.array(["a bad film"], object), 4)
    np.testing.assert_array_equal(encoded["tokens"], [[3, 1, 2, 0]])


def test_either_end_can_be_cut():
    text = "a good film not bad"
    assert words(text, 2, "start") == ["not", "bad"]
    assert words(text, 2, "end") == ["a", "good"]
    assert words(text, 5, "start") == words(text, 5, "end") == text.split()


@given(any_texts, strategies.integers(1, 20), strategies.sampled_from(["start", "end"]))
def test_tokens_are_ids_padded_at_the_end(texts, length, truncation):
    encoded = encode(TOKENIZER, texts, length, truncation)
    tokens, lengths = encoded["tokens"], encoded["length"]
    assert (tokens.shape, tokens.dtype) == ((len(texts), length), np.int32)
    assert (lengths.shape, lengths.dtype) == ((len(texts),), np.int32)
    assert ((lengths >= 1) & (lengths <= length)).all()
    is_padding = np.arange(length) >= lengths[:, None]
    np.testing.assert_array_equal(tokens == 0, is_padding)
    assert (tokens < len(VOCABULARY)).all()


@given(any_text, strategies.integers(1, 20))
def test_truncation_keeps_the_words_at_the_other_end(text, length):
    everything = words(text, 1000)
    assert words(text, length, "start") == everything[-length:]
    assert words(text, length, "end") == everything[:length]


@pytest.mark.parametrize("text", ["", " ", "\n", "<br />", "\x85"])
def test_a_text_without_words_is_one_unknown_word(text):
    assert words(text) == ["[UNK]"]


@pytest.mark.parametrize("text", ["[PAD]", "[UNK] [PAD]", "[pad]"])
def test_a_text_cannot_spell_padding(text):
    assert (encode(TOKENIZER, [text], 2)["tokens"] != 0).all()


@pytest.mark.parametrize("text", ["😀", "日本語の映画", "!?", "...", "\x00", "\ud800"])
def test_emoji_other_scripts_and_lone_punctuation_are_unknown_words(text):
    assert set(words(text)) == {"[UNK]"}


def test_a_very_long_text_is_cut():
    started = time.perf_counter()
    assert words("a " * 50_000 + "good", 3) == ["a", "a", "good"]
    assert words("x" * 100_000) == ["[UNK]"]
    assert time.perf_counter() - started < 2


def test_no_texts_give_empty_arrays():
    encoded = encode(TOKENIZER, [], 7)
    assert (encoded["tokens"].shape, encoded["length"].shape) == ((0, 7), (0,))
    assert train_tokenizer([]).get_vocab() == {"[PAD]": 0, "[UNK]": 1}


def test_many_texts_are_encoded_independently():
    many = [TEXTS[number % 3] for number in range(2500)]
    encoded = encode(TOKENIZER, many, 9)
    for number, text in enumerate(TEXTS):
        alone = encode(TOKENIZER, [text], 9)
        assert (encoded["tokens"][number::3] == alone["tokens"]).all()
        assert (encoded["length"][number::3] == alone["length"]).all()


def test_a_saved_tokenizer_is_the_same(tmp_path):
    save_tokenizer(TOKENIZER, tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path / "tokenizer.json").to_str() == TOKENIZER.to_str()
    assert isinstance(json.loads((tmp_path / "tokenizer.json").read_text()), dict)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\x80\x04.", b"half", b"\xff\xfe"])
def test_the_error_of_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    save_tokenizer(TOKENIZER, path)
    path.write_bytes(
        path.read_bytes()[: path.stat().st_size // 2] if content == b"half" else content
    )
    with pytest.raises(UserError, match=r"tokenizer\.json is not a tokenizer") as failure:
        load_tokenizer(path)
    assert "\n" not in str(failure.value)


def test_a_tokenizer_with_other_first_words_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(TOKENIZER.to_str().replace('"[PAD]":0', '"[MASK]":0'))
    with pytest.raises(UserError, match="lacks"):
        load_tokenizer(path)


@pytest.mark.parametrize("number", [-1, 12, 2**31, 2**64])
def test_an_id_beyond_the_vocabulary_is_refused(tmp_path, number):
    described = json.loads(TOKENIZER.to_str())
    described["model"]["vocab"][max(VOCABULARY, key=VOCABULARY.get)] = number
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="its ids are not those of its vocabulary"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_a_panic_in_rust_is_one_line(tmp_path, monkeypatch):
    class PanicError(BaseException):
        """As pyo3_runtime.PanicException, which cannot be imported."""

    class Panicking:
        @staticmethod
        def from_str(text):
            raise PanicError("index out of bounds\nbacktrace")

    save_tokenizer(TOKENIZER, tmp_path / "tokenizer.json")
    monkeypatch.setattr("jaxdl.data.tokenizer.Tokenizer", Panicking)
    for call in (
        lambda: load_tokenizer(tmp_path / "tokenizer.json"),
        lambda: encode(TOKENIZER, TEXTS, 2),
    ):
        with pytest.raises(UserError, match="index out of bounds") as failure:
            call()
        assert "\n" not in str(failure.value)


def test_a_tokenizer_that_fails_when_it_is_used_is_one_line(tmp_path):
    described = json.loads(TOKENIZER.to_str())
    described["model"]["unk_token"] = "absent"
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json")
    with pytest.raises(UserError, match="restore its file") as failure:
        encode(tokenizer, ["a word that is unseen"], 2)
    assert "\n" not in str(failure.value)


def test_the_error_of_a_file_that_cannot_be_read_or_written_says_why(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        load_tokenizer(tmp_path / "absent.json")
    with pytest.raises(UserError, match="cannot be written"):
        save_tokenizer(TOKENIZER, Path(tmp_path))


@pytest.mark.parametrize("size", [-1, 0, 2])
def test_a_vocabulary_without_words_is_refused(size):
    with pytest.raises(UsageError, match="vocabulary size"):
        train_tokenizer(TEXTS, size)


def test_a_wrong_length_or_truncation_is_refused():
    with pytest.raises(UsageError, match="length"):
        encode(TOKENIZER, TEXTS, 0)
    with pytest.raises(UsageError, match="start or end"):
        encode(TOKENIZER, TEXTS, 5, "middle")

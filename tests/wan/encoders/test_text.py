"""Prompt cleaning and both tokenizers, offline."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundreel.engines.wan.encoders.text import (
    END_TOKEN,
    clean,
    folder_tokenizer,
    sentencepiece_tokenizer,
)
from soundreel.engines.wan22 import TEXT_TOKENS
from soundreel.errors import InputError
from wan import tiny as wan_tiny


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  two \t spaces\nand a line ", "two spaces and a line"),
        ("R&amp;B", "R&B"),
        ("R&amp;amp;amp;B", "R&B"),
        ("schÃ¶n", "schön"),
        ("他们 在唱歌", "他们 在唱歌"),
        ("", ""),
    ],
)
def test_text_is_cleaned_as_the_official_code_does(text: str, wanted: str) -> None:
    assert clean(text) == wanted


def test_folder_tokenizer_cuts_before_the_end_token() -> None:
    tokens = folder_tokenizer(wan_tiny.model_folder() / "tokenizer")
    assert tokens("ab")[-1] == END_TOKEN
    assert len(tokens("ab")) == 3
    long = tokens("x" * 1000)
    assert len(long) == TEXT_TOKENS
    assert long[-1] == END_TOKEN
    assert tokens("") == [END_TOKEN]


def test_folder_without_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        folder_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        folder_tokenizer(tmp_path)


def test_sentencepiece_model_of_a_comfyui_file() -> None:
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    written = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(["a singer on a stage", "soft light, a slow song"] * 20),
        model_writer=written,
        vocab_size=22,
        pad_id=0,
        eos_id=END_TOKEN,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    tokens = sentencepiece_tokenizer(written.getvalue())
    ids = tokens("a slow song")
    assert ids[-1] == END_TOKEN
    own = SentencePieceProcessor(model_proto=written.getvalue())
    assert own.decode(ids[:-1]) == "a slow song"
    long = tokens("a " * 2000)
    assert len(long) == TEXT_TOKENS
    assert long[-1] == END_TOKEN


def test_damaged_sentencepiece_model_is_an_error() -> None:
    with pytest.raises(
        InputError, match="the tokenizer inside the text encoder is not a sentencepiece model"
    ):
        sentencepiece_tokenizer(b"\x01\x02 not a model")

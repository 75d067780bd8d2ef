"""The tokenizer of the BERT family, made of its vocabulary."""

from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from jaxdl.data.tokenizer import UNKNOWN
from jaxdl.errors import UserError

FIRST, LAST = "[CLS]", "[SEP]"


def read_wordpiece(vocabulary: Path) -> Tokenizer:
    """Lower-cased words in pieces (Devlin et al. 2018, section 3), between [CLS] and [SEP].

    HTML line breaks become blanks.

    Args:
      vocabulary: a file with one piece a line, in the order of their ids.

    Raises:
      UserError: the file lacks the pieces that every text begins and ends with.
    """
    pieces = vocabulary.read_text(encoding="utf-8").splitlines()
    ids = {piece: number for number, piece in enumerate(pieces)}
    if not {FIRST, LAST, UNKNOWN} <= ids.keys():
        raise UserError(f"{vocabulary} is not a vocabulary of the BERT family: delete it.")
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace("<br />", " "), normalizers.BertNormalizer(lowercase=True)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A {LAST}",
        pair=f"{FIRST} $A {LAST} $B:1 {LAST}:1",
        special_tokens=[(FIRST, ids[FIRST]), (LAST, ids[LAST])],
    )
    return tokenizer

"""The tokenizer of the BERT family."""

from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from jaxdl.data.tokenizer import UNKNOWN
from jaxdl.errors import UserError

FIRST, LAST = "[CLS]", "[SEP]"


def read_wordpiece(vocabulary: Path) -> Tokenizer:
    """Builds the tokenizer from its vocabulary.

    It splits lower-cased words into pieces (Devlin et al. 2018, section 3), puts a text between
    [CLS] and [SEP], and replaces HTML line breaks by blanks.

    Args:
      vocabulary: a file with one piece on each line, in the order of their ids.

    Raises:
      UserError: the file lacks one of the pieces [CLS], [SEP] and [UNK].
    """
    pieces = vocabulary.read_text(encoding="utf-8").splitlines()
    ids = {piece: number for number, piece in enumerate(pieces)}
    if not {FIRST, LAST, UNKNOWN} <= ids.keys():
        raise UserError(
            f"{vocabulary} is not a vocabulary of the BERT family: delete the file, so that it is "
            "fetched again."
        )
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

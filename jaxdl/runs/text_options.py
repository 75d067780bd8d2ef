"""Groups of options that the classifiers of texts share, beside those of all commands."""

import dataclasses

from jaxdl.training.optimization import require, require_fractions


@dataclasses.dataclass(frozen=True, kw_only=True)
class NGramOptions:
    """What a network reads beside the words."""

    ngrams: int = 0
    """Number of words of the longest n-grams whose log-count ratios it reads; 0 for none."""
    ngram_buckets: int = 2**22
    """Number of buckets into which n-grams are hashed; each has 4 bytes for each class."""

    def __post_init__(self) -> None:
        require(self, "ngrams", self.ngrams >= 0, "at least 0")
        require(self, "ngram_buckets", 1 <= self.ngram_buckets < 2**31, "1 to 2**31 - 1")

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        return {} if self.ngrams else {"ngram_buckets": "--ngrams 0"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextAugmentation:
    """How training texts are changed at random."""

    word_dropout_rate: float = 0.0
    """Probability that a word is dropped in training."""
    perturbation: float = 0.0
    """Norm of an adversarial perturbation of a text's embedding, relative to it; 0 for none."""

    def __post_init__(self) -> None:
        require_fractions(self, "word_dropout_rate", "perturbation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingOptions:
    """What the network learns from the texts before it sees their labels."""

    pretrain: int = 0
    """Number of epochs of language-model pretraining on the training texts; 0 for none."""
    layer_decay: float = 1.0
    """Learning rate of a pretrained layer, as a fraction of that of the layer after it."""

    def __post_init__(self) -> None:
        require(self, "pretrain", self.pretrain >= 0, "at least 0")
        require(self, "layer_decay", 0 < self.layer_decay <= 1, "above 0, and at most 1")

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        return {} if self.pretrain else {"layer_decay": "--pretrain 0"}

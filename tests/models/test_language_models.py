import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, draw

from jaxdl.models.language_models import MaskedLanguageModel, RecurrentLanguageModel
from jaxdl.models.rnn import TextRNN
from jaxdl.models.transformer import TextTransformer

TOKENS = jnp.array([[2, 3, 4, 5, 0, 0], [6, 7, 8, 2, 3, 4]])
LENGTH = jnp.array([4, 6])
RECURRENT = {"vocabulary_size": 9, "embed_dim": 5, "hidden_dim": 4, "cell": "gru"}
ATTENDING = {"vocabulary_size": 9, "max_length": 6, "embed_dim": 8, "num_heads": 2}


def outputs(model, tokens, length=LENGTH):
    variables = draw(model, TOKENS, LENGTH, train=False)
    return apply(model, variables, tokens, length, train=False)


def test_what_is_predicted_after_a_word_depends_on_it_and_those_before_only():
    model = RecurrentLanguageModel(**RECURRENT, num_layers=2)
    before, after = outputs(model, TOKENS), outputs(model, TOKENS.at[:, 3].set(1))
    assert before.shape == (2, 6, 5)
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3] != after[:, 3]).any(axis=-1).all()


def test_what_is_predicted_before_a_word_depends_on_it_and_those_after_only():
    model = RecurrentLanguageModel(**RECURRENT, bidirectional=True)
    before, after = outputs(model, TOKENS), outputs(model, TOKENS.at[:, 2].set(1))
    assert before.shape == (2, 12, 5)
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    np.testing.assert_array_equal(before[:, 9:], after[:, 9:])
    assert (before[:, 8] != after[:, 8]).any(axis=-1).all()


def test_a_masked_language_model_sees_the_whole_text_but_no_padding():
    model = MaskedLanguageModel(**ATTENDING)
    before = outputs(model, TOKENS)
    assert before.shape == (2, 6, 8)
    assert (before[0, 0] != outputs(model, TOKENS.at[0, 3].set(1))[0, 0]).any()
    np.testing.assert_array_equal(before[0, :4], outputs(model, TOKENS.at[0, 5].set(1))[0, :4])


@pytest.mark.parametrize(
    ("language_model", "classifier"),
    [
        (RecurrentLanguageModel(**RECURRENT, bidirectional=True), TextRNN),
        (MaskedLanguageModel(**ATTENDING, num_layers=2), TextTransformer),
    ],
)
def test_a_classifier_has_the_parameters_of_the_language_model_but_for_the_head(
    language_model, classifier
):
    own = {
        name: getattr(language_model, name)
        for name in ("vocabulary_size", "embed_dim", "num_layers")
    }
    own |= RECURRENT | {"bidirectional": True} if classifier is TextRNN else ATTENDING
    shapes = [
        jax.tree.map(jnp.shape, draw(model, TOKENS, LENGTH, train=False)["params"])
        for model in (language_model, classifier(**own))
    ]
    for params in shapes:
        del params["head"]
    shapes[1].pop("dense_0", None)
    assert shapes[0] == shapes[1]

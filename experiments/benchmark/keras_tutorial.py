"""Trains a model of the original Keras tutorial on the data that this project prepares.

    python -m experiments.benchmark.keras_tutorial mlp

Prints one line of JSON with the "test_accuracy". Layers and hyperparameters are the tutorial's:
Adam at 1e-3, batches of 32, a fifth of the training split held out, texts of 200 words with the
padding in front.
"""

import json
import sys

import keras

from experiments.benchmark.keras_models import CLASSIFIERS
from experiments.benchmark.tutorial_data import inputs_of, load_data
from experiments.benchmark.workloads import WORKLOADS

EPOCHS = {"mlp": 5, "cnn": 5, "rnn": 3, "lstm": 3}


def train(model: str) -> float:
    """Trains a model as the tutorial does and returns the accuracy on the whole test split."""
    dataset = load_data(model)
    network = CLASSIFIERS[model]()
    if WORKLOADS[model].num_classes == 2:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        accuracy = "accuracy"
    network.compile(keras.optimizers.Adam(1e-3), loss, metrics=[accuracy])
    network.fit(
        inputs_of(dataset.train),
        dataset.train["label"],
        epochs=EPOCHS[model],
        batch_size=32,
        validation_split=0.2,
        verbose=0,
    )
    scores = network.evaluate(
        inputs_of(dataset.test), dataset.test["label"], verbose=0, return_dict=True
    )
    return float(scores["accuracy"])


if __name__ == "__main__":
    print(json.dumps({"test_accuracy": train(sys.argv[1])}))

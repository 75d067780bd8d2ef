"""An LSTM that classifies film reviews: the second half of module three of the tutorial.

    python -m experiments.lstm
    python -m experiments.lstm --bidirectional

This is experiments/rnn.py with the cell whose gates let the gradient vanish more slowly in training
(figures/vanishing_gradient.png of a run). Expect a test accuracy of 89.02 ± 0.36 % (five seeds,
experiments/results/lstm-imdb.json) after about five minutes on one CPU core, and 89.19 ± 0.53 %
with a second layer that reads backwards (three seeds, lstm-bidirectional-imdb.json) after about a
quarter of an hour.
"""

import dataclasses

from experiments import rnn
from jaxdl.runs.launch import launch
from jaxdl.training.optimization import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(rnn.Config):
    """Options; the defaults are those of the results above."""

    model: rnn.ModelOptions = rnn.ModelOptions(cell="lstm")

    def __post_init__(self) -> None:
        super().__post_init__()
        is_lstm = self.model.cell == "lstm"
        require(self.model, "cell", is_lstm, "lstm here; experiments.rnn trains the other cells")


EXPERIMENT = dataclasses.replace(rnn.EXPERIMENT, name="lstm", config=Config)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)

from jaxdl.runs.scores import format_average, format_score


def test_shares_read_as_percentages_and_other_scores_as_numbers():
    assert format_score("test_accuracy", 0.98765) == "98.77 %"
    assert format_score("test_loss", 0.043219) == "0.0432"


def test_an_average_has_its_deviation():
    average = {"mean": 0.9876, "std": 0.0012, "values": []}
    assert format_average("test_accuracy", average) == "98.76 ± 0.12 %"
    assert format_average("test_loss", average) == "0.9876 ± 0.0012"


def test_a_single_run_has_no_deviation():
    assert format_average("test_accuracy", {"mean": 0.9876, "std": None}) == "98.76 %"

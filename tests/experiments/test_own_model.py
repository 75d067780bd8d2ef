import re
import runpy


def test_it_learns_the_spirals(capsys):
    runpy.run_module("experiments.own_model", run_name="__main__", alter_sys=True)
    *epochs, result = capsys.readouterr().out.splitlines()
    assert len(epochs) == 30
    accuracy = re.fullmatch(r"best epoch \d+, test accuracy ([\d.]+)%", result)[1]
    assert float(accuracy) > 95

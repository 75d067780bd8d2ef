"""Counts the trials of tests/faults, and writes the counts to a file."""

import json
from collections import Counter
from pathlib import Path

from jaxdl.runs.environment import describe_environment


def pytest_addoption(parser):
    """Adds the options of tests/faults."""
    parser.addoption("--trials", type=float, default=1.0, help="factor of the number of trials")
    parser.addoption("--report", type=Path, help="JSON file for the counts of trials")


def pytest_configure(config):
    config.pluginmanager.register(Report(config.getoption("--report")))


class Report:
    """Counts trials by their kind: the name of the test, or what it counts itself.

    A test that is skipped was no trial.

    A test that makes many trials records a property (kind, (tried, failed)).
    """

    def __init__(self, path: Path | None):
        self._path = path
        self._tried, self._failed = Counter(), Counter()

    def pytest_runtest_logreport(self, report):
        """Takes the outcome of a test, which with xdist comes from another process."""
        is_outcome = report.when == "call" or report.failed  # of a fixture
        if not is_outcome or report.skipped or "faults" not in report.keywords:
            return
        counted = dict(report.user_properties)
        if not counted:
            kind = report.location[2].partition("[")[0].removeprefix("test_").replace("_", " ")
            counted = {kind: (1, int(report.failed))}
        for kind, (tried, failed) in counted.items():
            self._tried[kind] += tried
            self._failed[kind] += failed

    def pytest_sessionfinish(self, session):
        """Writes the counts, in the process that has them all."""
        if self._path and not hasattr(session.config, "workerinput"):
            kinds = [
                {"kind": kind, "tried": tried, "failed": self._failed[kind]}
                for kind, tried in self._tried.items()
            ]
            report = {"kinds": kinds, **describe_environment()}
            self._path.write_text(json.dumps(report, indent=2) + "\n")

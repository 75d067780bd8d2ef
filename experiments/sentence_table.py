"""The table of the README that says how classifiers of film reviews label other sentences.

It is made from the folder ``experiments/results/sentences``: sentences.csv has the sentences with
their labels, and NAME.json what a run predicts for their texts, one in each line of texts.txt:

    python -m experiments.predict RUN - --json < texts.txt > NAME.json
"""

import csv
import json
from pathlib import Path


def format_sentences(folder: Path) -> str:
    """Formats the Markdown table: how many sentences on each topic a network labels right."""
    with (folder / "sentences.csv").open(encoding="utf-8", newline="") as file:
        sentences = list(csv.DictReader(file))
    topics = list(dict.fromkeys(sentence["about"] for sentence in sentences))
    header = ["network", *(f"about {topic}" for topic in topics), "labelled wrongly"]
    rows = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for path in sorted(folder.glob("*.json")):
        label_of = {each["input"]: each["label"] for each in json.loads(path.read_text())}
        cells = [path.stem]
        for topic in topics:
            of_topic = [sentence for sentence in sentences if sentence["about"] == topic]
            right = sum(label_of[each["text"]] == each["label"] for each in of_topic)
            cells.append(f"{right} of {len(of_topic)}")
        wrong = [each["text"] for each in sentences if label_of[each["text"]] != each["label"]]
        cells.append(" ".join(f"“{text}”" for text in wrong))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)

import json

from experiments.sentence_table import format_sentences


def test_the_table_counts_by_topic_and_names_what_is_wrong(tmp_path):
    (tmp_path / "sentences.csv").write_text(
        'about,label,text\nfilms,positive,"Good, good."\nsoup,negative,Cold.\nfilms,negative,Bad.\n'
    )
    predictions = [("Good, good.", "positive"), ("Cold.", "positive"), ("Bad.", "negative")]
    (tmp_path / "net.json").write_text(
        json.dumps([{"input": text, "label": label} for text, label in predictions])
    )
    assert format_sentences(tmp_path).splitlines() == [
        "| network | about films | about soup | labelled wrongly |",
        "|---|---|---|---|",
        "| net | 2 of 2 | 0 of 1 | “Cold.” |",
    ]

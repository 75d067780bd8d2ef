from jaxdl.runs import memory


def test_the_memory_is_what_this_process_and_its_groups_may_use(monkeypatch, tmp_path):
    whole = memory.memory_for_data()
    assert 1e8 < whole < 1e14
    monkeypatch.setattr(memory, "ROOT", tmp_path)
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "cgroup")
    assert memory.memory_for_data() >= whole
    lines = ["9:name=systemd:/", "4:cpu,memory:/jobs/3", "0::/user/7"]
    (tmp_path / "cgroup").write_text("\n".join(lines))
    assert memory.memory_for_data() >= whole
    for file, limit in {
        "memory.max": "max",
        "memory/jobs/3/memory.limit_in_bytes": "5000",
        "user/7/memory.max": "max",
        "user/memory.max": "1000",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"{limit}\n")
    assert memory.memory_for_data() == 1000 * memory.FRACTION

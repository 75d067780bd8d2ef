import huggingface_hub

from jaxdl.data.hub import hub
from jaxdl.data.sources import obtain


def test_files_are_downloaded_from_the_repository_at_its_commit(
    tmp_path, archives, files, serve, folder_handler, monkeypatch
):
    place = tmp_path / "site" / "owner" / "name" / "resolve" / "c0ffee"
    place.parent.mkdir(parents=True)
    archives.rename(place)
    monkeypatch.setenv("HF_ENDPOINT", serve(folder_handler(tmp_path / "site")))
    for folder in ("folder", "temporary"):
        (tmp_path / folder).mkdir()
    source = hub("owner/name", "c0ffee", files)
    obtain("model", (source,), tmp_path / "folder", tmp_path / "temporary")
    assert all(file.matches(tmp_path / "folder" / file.name) for file in files)


def test_the_address_is_that_of_the_hub():
    url = huggingface_hub.hf_hub_url("owner/name", "a.bin", revision="c0ffee")
    assert hub("owner/name", "c0ffee", ()).address + "a.bin" == url

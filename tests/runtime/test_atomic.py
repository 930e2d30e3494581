"""A file or folder is replaced whole or not at all, and never through a link that the user did not name."""

import os

import pytest

from pipeline.runtime.atomic import follow_link, replace, write_text
from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.records import write_json


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replace(path) as temporary:
        temporary.write_text("half of the ne")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    with pytest.raises(ValueError):
        write_json(path, {"value": float("nan")})
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("one", "two"):
        with replace(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / content).touch()
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["two"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("at", ["a folder", "a pipe", "a link to a pipe"])
def test_only_files_are_replaced_by_files(tmp_path, at):
    path = tmp_path / "page.html"
    if at == "a folder":
        write_text(path / "kept", "text")
    else:
        os.mkfifo(path if at == "a pipe" else tmp_path / "pipe")
        if at == "a link to a pipe":
            path.symlink_to(tmp_path / "pipe")
    before = path.lstat()
    with pytest.raises(PipelineError, match=rf"^{path} is (a folder; name a file|no regular file; name another)$"):
        write_text(path, "text")
    assert path.lstat() == before
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_a_user_names_is_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(follow_link(tmp_path / "link"), "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("target", ["a folder", "nothing", "itself"])
def test_a_folder_replaces_a_link_and_not_its_target(tmp_path, target):
    link, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    link.symlink_to(link if target == "itself" else elsewhere)
    if target == "a folder":
        write_text(elsewhere / "kept", "text")
    with pytest.raises(ZeroDivisionError), replace(link) as temporary:
        temporary.mkdir()
        raise ZeroDivisionError
    assert link.is_symlink()
    with replace(link) as temporary:
        write_text(temporary / "new", "text")
    assert [file.name for file in link.iterdir()] == ["new"]
    assert not link.is_symlink()
    assert (elsewhere / "kept").exists() == (target == "a folder")
    assert not list(tmp_path.glob(".*"))


def test_an_output_that_is_a_link_to_itself_is_named(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    message = "a: the link leads back to itself; choose another path, or remove the link"
    with pytest.raises(PipelineError, match=message), translate_os_errors("the output"):
        follow_link(tmp_path / "a")

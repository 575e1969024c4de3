"""Commands from the shell: run once, replayed by checksum; data goes up and comes down."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Callable

import pytest
import zstandard
from companions.sandbox import Project, Sandbox

CONTENT = b"some content\n" * 1000
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "zst": zstandard.compress}


@pytest.fixture(scope="module")
def project(sandbox: Sandbox) -> Project:
    """One project with a script that counts its executions."""
    project = sandbox.project("shell", "execution: process")
    script = "echo once >> MARK\nsort $1\n".replace("MARK", project.mark)
    (project.folder / "count.sh").write_text(script)
    return project


@pytest.fixture
def before(project: Project) -> int:
    """How often something was executed before the test."""
    return project.executions()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_command_run_twice_is_executed_once(project: Project, before: int) -> None:
    (project.folder / "data.txt").write_text("c\na\nb\n")
    for _ in range(2):
        assert project.run("seamless-run", "-y", "bash count.sh data.txt").out == "a\nb\nc\n"
    assert project.executions() == before + 1


def test_changed_input_is_executed_again(project: Project, before: int) -> None:
    for number in (1, 2, 1):
        (project.folder / "changing.txt").write_text(f"{number}\n")
        run = project.run("seamless-run", "-y", "bash count.sh changing.txt")
        assert run.out == f"{number}\n"
    assert project.executions() == before + 2


def test_a_directory_is_an_input(project: Project, before: int) -> None:
    folder = project.folder / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.txt").write_text("1\n")
    (folder / "sub" / "two.txt").write_text("2\n")
    script = "echo once >> MARK\ncat folder/one.txt folder/sub/two.txt\n"
    (project.folder / "cat.sh").write_text(script.replace("MARK", project.mark))
    for _ in range(2):
        run = project.run("seamless-run", "-y", "-g2", "bash cat.sh folder")
        assert run.out == "1\n2\n"
    assert project.executions() == before + 1


def test_a_prepared_command_is_replayed_by_checksum(project: Project, before: int) -> None:
    (project.folder / "replayed.txt").write_text("z\ny\n")
    words = ("--dry-run", "--upload", "-y", "-j", "job", "bash count.sh replayed.txt")
    project.run("seamless-run", *words)
    assert project.executions() == before

    file = project.folder / "job" / "transformation.json.CHECKSUM"
    results = [
        project.run("seamless-run-transformation", word).out.strip()
        for word in (file, file.read_text().strip())
    ]
    assert results == [sha256(b"y\nz\n")] * 2
    assert project.executions() == before + 1


def test_a_file_goes_up_and_comes_down_again(project: Project) -> None:
    file = project.folder / "plain.txt"
    file.write_bytes(CONTENT)
    project.run("seamless-upload", "-y", file.name)
    file.unlink()
    assert (project.folder / "plain.txt.CHECKSUM").read_text().strip() == sha256(CONTENT)

    project.run("seamless-download", "-y", file.name)
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_is_known_by_its_content(project: Project, suffix: str) -> None:
    name = f"compressed-{suffix}.txt"
    packed = project.folder / f"{name}.{suffix}"
    packed.write_bytes(COMPRESS[suffix](CONTENT + suffix.encode()))
    project.run("seamless-upload", "-y", packed.name)
    checksum = (project.folder / f"{name}.CHECKSUM").read_text().strip()
    assert checksum == sha256(CONTENT + suffix.encode())

    project.run("seamless-download", "-y", name)
    assert (project.folder / name).read_bytes() == CONTENT + suffix.encode()


def test_a_directory_goes_up_and_comes_down_again(project: Project) -> None:
    files = {"a.txt": b"1\n", "sub/b.bin": bytes(range(256)), "sub/empty": b""}
    for name, content in files.items():
        file = project.folder / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    project.run("seamless-upload", "-y", "tree")
    shutil.rmtree(project.folder / "tree")

    project.run("seamless-download", "-y", "tree")
    found = {name: (project.folder / "tree" / name).read_bytes() for name in files}
    assert found == files
    # core's own command names the same index
    (project.folder / "tree.CHECKSUM").rename(project.folder / "uploaded")
    project.run("seamless-checksum-index", "tree")
    ours = (project.folder / "tree.CHECKSUM").read_text()
    assert ours.strip() == (project.folder / "uploaded").read_text().strip()

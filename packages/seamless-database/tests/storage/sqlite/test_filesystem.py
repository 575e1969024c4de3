from __future__ import annotations

from pathlib import Path

import pytest

from seamless_database.storage.sqlite.filesystem import is_network, kind_of

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /home rw,relatime shared:2 - nfs4 server:/home rw
31 22 0:31 / /home/scratch rw - xfs /dev/sdb1 rw
32 22 0:32 / /mnt/two\\040words rw - fuse.sshfs host: rw
33 22 0:33 / /mnt/na\\303\\257ve rw - cifs //host/share rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/seamless.db", "ext4"),
        ("/home/me/seamless.db", "nfs4"),
        ("/homeless/seamless.db", "ext4"),
        ("/home/scratch/seamless.db", "xfs"),
        ("/mnt/two words/seamless.db", "fuse.sshfs"),
        ("/mnt/naïve/seamless.db", "cifs"),
    ],
)
def test_the_innermost_mount_decides(path: str, kind: str) -> None:
    assert kind_of(Path(path), MOUNTS) == kind


def test_a_later_mount_on_the_same_folder_hides_the_former() -> None:
    mounts = f"{MOUNTS}34 22 0:34 / /home rw - ext3 /dev/sdc1 rw\n"
    assert kind_of(Path("/home/me/seamless.db"), mounts) == "ext3"


def test_a_path_without_a_mount_has_no_type() -> None:
    assert kind_of(Path("/data/seamless.db"), "") == ""


@pytest.mark.parametrize(
    ("kind", "network"),
    [("nfs", True), ("lustre", True), ("fuse.sshfs", True), ("ext4", False), ("overlay", False)],
)
def test_network_file_systems_are_known(
    kind: str, network: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw,relatime - {kind} somewhere rw\n")
    monkeypatch.setattr("seamless_database.storage.sqlite.filesystem.MOUNTS", mounts)
    assert is_network(tmp_path / "seamless.db") is network


def test_without_mountinfo_every_path_is_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.sqlite.filesystem.MOUNTS", tmp_path / "none")
    assert not is_network(tmp_path)

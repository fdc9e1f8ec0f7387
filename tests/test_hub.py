"""Downloads: what is not what it should be is said, tried again, and never half-written."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import Server, serving
from sightline.download import download
from sightline.errors import SightlineError
from sightline.images.archive import archive_listing, unpack
from sightline.images.sources import list_source

ROOT = Path(__file__).parent.parent
REPOSITORY = "someone/model"
FILE = "model.safetensors"
CONTENT = bytes(range(256)) * 4000
# The client waits between its attempts, for seconds.
SCRIPT = """
import sys, time
time.sleep = lambda seconds: None
from sightline.errors import SightlineError
from sightline.models.hub import hub_file
try:
    print(hub_file(*sys.argv[1:]))
except SightlineError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as started:
        yield started


def environment(url: str, folder: Path, **more: str) -> dict[str, str]:
    """Variables by which the client takes a server for the hub and a folder for its home."""
    own = {
        key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))
    }
    return {
        **own,
        "PYTHONPATH": str(ROOT / "workflow"),
        "HF_ENDPOINT": url,
        "HF_HOME": str(folder / "home"),
        "NO_PROXY": "127.0.0.1",
        **more,
    }


def get(url: str, folder: Path, file: str = FILE, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, REPOSITORY, file],
        env=environment(url, folder, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def held(folder: Path) -> list[Path]:
    """Whatever of a file lies in the client's home."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and ("blobs" in path.parts or "snapshots" in path.parts)
    ]


def assert_got(done: subprocess.CompletedProcess[str], content: bytes = CONTENT) -> None:
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == content


def test_a_file_comes_from_the_hub_then_from_the_cache(server: Server, tmp_path: Path) -> None:
    server.add(REPOSITORY, FILE, CONTENT)
    server.add(REPOSITORY, "config.json", b"{}")
    assert_got(get(server.url, tmp_path))
    assert_got(get(server.url, tmp_path, "config.json"), b"{}")
    gets = [path for method, path in server.requests if method == "GET" and "/resolve/" in path]
    assert len(gets) == 2
    # Offline the cache is enough.
    assert_got(get("http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1"))


def test_a_download_that_breaks_off_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut[server.add(REPOSITORY, FILE, CONTENT)] = 1
    assert_got(get(server.url, tmp_path))


def test_a_server_that_dies_leaves_nothing_and_the_next_try_succeeds(
    server: Server, tmp_path: Path
) -> None:
    path = server.add(REPOSITORY, FILE, CONTENT)
    # Its size and digest are known, its content is not given.
    server.cut[path] = 10**6
    server.files[path] = CONTENT[:1]
    done = get(server.url, tmp_path)
    assert done.returncode == 1
    assert f"{FILE} of {REPOSITORY} could not be downloaded from {server.url}" in done.stderr
    assert "snakemake prefetch" in done.stderr
    assert "Traceback" not in done.stderr
    assert not held(tmp_path)
    server.cut.clear()
    server.files[path] = CONTENT
    assert_got(get(server.url, tmp_path))


def test_a_damaged_download_is_downloaded_once_more(server: Server, tmp_path: Path) -> None:
    path = server.add(REPOSITORY, FILE, CONTENT)
    server.damaged[path] = 1
    assert_got(get(server.url, tmp_path))
    assert server.requests.count(("GET", path)) == 2


@pytest.mark.parametrize("file", [FILE, "config.json"])
def test_content_that_is_not_what_was_announced_is_refused(
    server: Server, tmp_path: Path, file: str
) -> None:
    path = server.add(REPOSITORY, file, CONTENT)
    server.damaged[path] = 2
    done = get(server.url, tmp_path, file)
    assert done.returncode == 1
    assert "is not the file that the hub announces, twice" in done.stderr
    assert hashlib.sha256(CONTENT).hexdigest() in done.stderr or file != FILE
    assert not held(tmp_path)
    assert_got(get(server.url, tmp_path, file))


def test_a_damaged_cache_is_mended(server: Server, tmp_path: Path) -> None:
    server.add(REPOSITORY, FILE, CONTENT)
    cached = Path(get(server.url, tmp_path).stdout.strip()).resolve()
    cached.write_bytes(CONTENT[:-1] + b"x")
    assert_got(get(server.url, tmp_path))


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "RepoNotFound", "there is no repository"),
        (404, "RepoNotFound", "there is no repository"),
        (404, "EntryNotFound", "holds no such file"),
        (404, "RevisionNotFound", "has no such revision"),
        (403, "GatedRepo", "the repository is gated. Accept its terms at"),
        (401, "", "the hub answered with 401. Check HF_TOKEN"),
        (500, "", "could not be reached"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(
    server: Server, tmp_path: Path, status: int, code: str, message: str
) -> None:
    path = server.add(REPOSITORY, FILE, CONTENT)
    server.refused[path] = (status, code or "Other")
    done = get(server.url, tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert FILE in done.stderr
    assert "Traceback" not in done.stderr
    assert not held(tmp_path)


def test_no_network_is_said(tmp_path: Path) -> None:
    done = get("http://127.0.0.1:9", tmp_path)
    assert done.returncode == 1
    assert "http://127.0.0.1:9 could not be reached" in done.stderr
    assert "snakemake prefetch" in done.stderr
    done = get("http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE forbids" in done.stderr


# --- Plain addresses ----------------------------------------------------------------------------


SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.mark.parametrize("digest", [SHA, SHA[:15], f"md5:{hashlib.md5(CONTENT).hexdigest()}"])
def test_a_file_is_downloaded(server: Server, tmp_path: Path, digest: str) -> None:
    server.files["/a.bin"] = CONTENT
    download(f"{server.url}/a.bin", tmp_path / "new" / "a.bin", digest)
    assert (tmp_path / "new" / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("cut", r"a\.bin broke off after 512,000 of 1,024,000 bytes"),
        ("damaged", r"a\.bin has the sha256 \w{64}, expected \w{64}: the download is damaged"),
        ("missing", r"a\.bin was answered with 404 .*check the address"),
        ("forbidden", r"a\.bin was answered with 403 .*Access is refused"),
        ("gone", r"a\.bin could not be reached or broke off: .*Run on a machine with a network"),
    ],
)
def test_a_bad_download_leaves_nothing(
    server: Server, tmp_path: Path, what: str, message: str
) -> None:
    if what != "missing":
        server.files["/a.bin"] = CONTENT
    server.cut["/a.bin"] = int(what == "cut")
    server.damaged["/a.bin"] = int(what == "damaged")
    server.refused |= {"/a.bin": (404, "")} if what == "missing" else {}
    server.refused |= {"/a.bin": (403, "")} if what == "forbidden" else {}
    url = "http://127.0.0.1:9" if what == "gone" else server.url
    with pytest.raises(SightlineError, match=message):
        download(f"{url}/a.bin", tmp_path / "a.bin", SHA)
    assert not list(tmp_path.iterdir())
    server.refused.clear()
    server.files["/a.bin"] = CONTENT
    download(f"{server.url}/a.bin", tmp_path / "a.bin", SHA)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SightlineError, match="expected http://, https:// or file://"):
        download("ftp://a/b", tmp_path / "b", SHA)


# --- Archives -----------------------------------------------------------------------------------

FILES = {"set/val/cat/1.png": b"one", "set/val/dog/2.png": b"two", "set/train/cat/3.png": b"three"}


def packed(kind: str, files: dict[str, bytes]) -> bytes:
    """An archive; a name that ends in -> is a link to its content, one in => a hard link."""
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in files.items():
                member = zipfile.ZipInfo(name.removesuffix("->"))
                member.external_attr = (0o120777 if name.endswith("->") else 0o100644) << 16
                archive.writestr(member, content)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz" if kind == "tgz" else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.removesuffix("->").removesuffix("=>"))
            if name.endswith(">"):
                member.type = tarfile.SYMTYPE if name.endswith("->") else tarfile.LNKTYPE
                member.linkname = content.decode()
                content = b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def source_of(server: Server, name: str, content: bytes, path: str = "set/val") -> dict[str, str]:
    server.files[f"/{name}"] = content
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"source": "archive", "url": f"{server.url}/{name}", "digest": digest, "path": path}


@pytest.mark.parametrize("name", ["set.tgz", "set.tar", "my set.v1.tar.gz", "set.zip"])
def test_an_archive_is_a_folder_of_images(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = {"set.tar": "tar", "set.zip": "zip"}.get(name, "tgz")
    source = source_of(server, name, packed(kind, FILES))
    source["url"] = source["url"].replace(" ", "%20")
    server.files[f"/{name.replace(' ', '%20')}"] = server.files[f"/{name}"]
    with pytest.raises(SightlineError, match=r"has not been downloaded\. First run `snakemake"):
        list_source(source, 0)
    listing = archive_listing(source)
    unpack(source["url"], source["digest"], listing)
    assert listing.read_text().splitlines() == sorted(FILES)
    stem = {"my set.v1.tar.gz": "my_set.v1"}.get(name, "set")
    folder = Path("resources/datasets") / f"{stem}-{source['digest'][7:15]}"
    assert sorted(Path("resources/datasets").iterdir()) == [folder, listing]
    found = list_source(source, 0)
    assert {(one.image_id, one.label) for one in found} == {
        ("cat/1.png", "cat"),
        ("dog/2.png", "dog"),
    }
    assert all(one.path and one.path.is_relative_to(folder) for one in found)
    with pytest.raises(SightlineError, match=r"count is 3, but archive set/val holds 2 images"):
        list_source(source | {"count": 3}, 0)
    with pytest.raises(SightlineError, match=r"holds no folder test\. Its folders are: set"):
        list_source(source | {"path": "test"}, 0)


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("tar", {"../out.png": b"x"}),
        ("tar", {"link->": b"../..", "link/out.png": b"x"}),
        ("zip", {"../out.png": b"x"}),
        ("zip", {"/out.png": b"x"}),
        ("zip", {"a/..\\..\\out.png": b"x"}),
        ("zip", {"C:/out.png": b"x"}),
        ("zip", {"link->": b"../.."}),
        ("tar", {"same=>": b"../../out.png"}),
        ("tar", {"/link->": b"/etc"}),
    ],
)
def test_an_archive_that_would_write_elsewhere_is_refused(
    server: Server, tmp_path: Path, kind: str, member: dict[str, bytes]
) -> None:
    source = source_of(server, f"set.{kind}", packed(kind, FILES | member))
    with pytest.raises(SightlineError, match="would be written outside its folder"):
        unpack(source["url"], source["digest"], tmp_path / "data" / "set.txt")
    assert not list((tmp_path / "data").iterdir())
    assert not list(tmp_path.rglob("out.png"))


def test_absolute_names_in_a_tar_archive_stay_inside(server: Server, tmp_path: Path) -> None:
    inside = str(tmp_path / "elsewhere" / "out.png")
    source = source_of(server, "set.tar", packed("tar", FILES | {inside: b"x"}))
    listing = tmp_path / "data" / "set.txt"
    unpack(source["url"], source["digest"], listing)
    assert not (tmp_path / "elsewhere").exists()
    assert inside.lstrip("/") in listing.read_text().splitlines()


def test_what_is_no_archive_is_refused_and_a_killed_run_is_made_good(
    server: Server, tmp_path: Path
) -> None:
    listing = tmp_path / "set.txt"
    source = source_of(server, "set.tgz", b"no archive")
    with pytest.raises(SightlineError, match="neither a tar nor a zip"):
        unpack(source["url"], source["digest"], listing)
    cut = source_of(server, "set.tgz", packed("tgz", {"a": os.urandom(9000)})[:-4000])
    with pytest.raises(SightlineError, match=r"cannot be unpacked|neither"):
        unpack(cut["url"], cut["digest"], listing)
    assert not list(tmp_path.iterdir())
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "stale.png").touch()
    good = source_of(server, "set.tgz", packed("tgz", FILES))
    unpack(good["url"], good["digest"], listing)
    assert not (tmp_path / "set" / "stale.png").exists()
    assert (tmp_path / "set" / "set/val/cat/1.png").read_bytes() == b"one"

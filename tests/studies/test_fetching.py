"""Fetching against a server on this machine: it breaks off, lies about sizes, changes its file and serves pages."""

import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.studies import open_studies
from mrg_llm.studies.fetching import fetch_iu_xray, open_i, plan
from mrg_llm.studies.fetching.download import download
from mrg_llm.studies.fetching.unpack import unpack
from mrg_llm.studies.phantom import write_phantoms

UNPACKS = pytest.mark.skipif(
    not hasattr(tarfile, "data_filter"), reason="unpacking safely needs Python 3.11.4, and says so"
)
XML = """<eCitation><uId id="CXR{n}"/><Abstract><AbstractText Label="FINDINGS">Lungs {n} XXXX.</AbstractText>
<AbstractText Label="IMPRESSION">Clear.</AbstractText></Abstract><parentImage id="CXR{n}_1_IM-000{n}-1001"/></eCitation>
"""


class Server:
    """Files by name, and how each misbehaves. `asked`: (method, name, Range) of every request."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.marks: dict[str, str | None] = {}
        self.breaks: dict[str, list[int]] = {}  # bytes after which the next answers break off
        self.length: dict[str, int | None] = {}  # announced instead of the true one; None: not at all
        self.ranges, self.heads = True, True
        self.date: str | None = None
        self.asked: list[tuple[str, str, str | None]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                if not site.heads:
                    return self.send_error(405)
                self.answer(False)

            def do_GET(self):
                self.answer(True)

            def answer(self, with_content):
                name = self.path.lstrip("/")
                site.asked.append((self.command, name, self.headers.get("Range")))
                if name not in site.files:
                    return self.send_error(404)
                content, mark = site.files[name], site.marks.get(name, '"one"')
                start = 0
                wanted = self.headers.get("Range")
                if site.ranges and wanted and self.headers.get("If-Range") in (site.date or mark, None):
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                if site.date:
                    self.send_header("Last-Modified", site.date)
                if mark:
                    self.send_header("ETag", mark.format(len(site.asked)))
                length = site.length.get(name, len(content))
                if length is not None:
                    self.send_header("Content-Length", str(length - start))
                self.end_headers()
                if with_content:
                    breaks = site.breaks.get(name)
                    upto = start + breaks.pop(0) if breaks else len(content)
                    self.wfile.write(content[start:upto])

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def gets(self, name):
        return [wanted for method, asked, wanted in self.asked if method == "GET" and asked == name]


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def tgz(files, **members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            for key, value in members.items():
                setattr(member, key, value)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def open_i_server(server, tmp_path_factory):
    """Open-i's archives in their layout, of three studies with phantom films."""
    root = tmp_path_factory.mktemp("drawn")
    write_phantoms(root, 3, side_px=32)
    films = [path.read_bytes() for path in sorted(root.rglob("frontal.png"))]
    reports = {f"ecgen-radiology/{n}.xml": XML.format(n=n).encode() for n in (1, 2, 3)}
    server.files["NLMCXR_reports.tgz"] = tgz(reports)
    server.files["NLMCXR_png.tgz"] = tgz({f"CXR{n}_1_IM-000{n}-1001.png": films[n - 1] for n in (1, 2, 3)})
    server.files["NLMCXR_dcm.tgz"] = tgz({f"{n}/1_IM-000{n}-1001.dcm": films[n - 1] for n in (1, 2, 3)})
    return server


CONTENT = bytes(range(256)) * 40


class TestDownload:
    def get(self, server, folder, **how):
        return download(f"{server.url}/file", folder / "file", wait_s=0, timeout_s=5, **how)

    def test_whole(self, server, tmp_path):
        server.files["file"] = CONTENT
        seen = []
        assert self.get(server, tmp_path, progress=lambda *n: seen.append(n)).read_bytes() == CONTENT
        assert seen[-1] == (len(CONTENT), len(CONTENT)) and [p.name for p in tmp_path.iterdir()] == ["file"]

    def test_breaks_are_resumed_where_they_were(self, server, tmp_path):
        server.files["file"], server.breaks["file"] = CONTENT, [1000, 3000, 1]
        assert self.get(server, tmp_path).read_bytes() == CONTENT
        assert server.gets("file") == [None, "bytes=1000-", "bytes=4000-", "bytes=4001-"]

    def test_a_later_call_goes_on(self, server, tmp_path):
        server.files["file"], server.breaks["file"] = CONTENT, [500] + [0] * 20
        with pytest.raises(DataError, match=r"broke off 6 times at 500 bytes .*goes on from there"):
            self.get(server, tmp_path)
        assert not (tmp_path / "file").exists() and (tmp_path / "file.part").stat().st_size == 500
        server.breaks["file"], server.asked[:] = [], []
        assert self.get(server, tmp_path).read_bytes() == CONTENT
        assert server.gets("file") == ["bytes=500-"]

    def test_the_part_of_another_file_is_not_continued(self, server, tmp_path):
        server.files["file"], server.breaks["file"] = CONTENT, [500] + [0] * 20
        with pytest.raises(DataError):
            self.get(server, tmp_path)
        server.files["file"], server.marks["file"], server.breaks["file"] = CONTENT[::-1], '"two"', []
        assert self.get(server, tmp_path).read_bytes() == CONTENT[::-1]

    def test_a_file_that_changes_meanwhile(self, server, tmp_path):
        server.files["file"], server.breaks["file"] = CONTENT, [500]

        def change(done, total):
            server.files["file"], server.marks["file"] = CONTENT[::-1], '"two"'

        with pytest.raises(DataError, match="changed while it was fetched"):
            self.get(server, tmp_path, progress=change)
        assert self.get(server, tmp_path).read_bytes() == CONTENT[::-1]

    def test_etags_that_differ_between_machines_do_no_harm_where_there_is_a_date(self, server, tmp_path):
        server.files["file"], server.breaks["file"] = CONTENT, [1000, 2000]
        server.marks["file"], server.date = '"{}"', "Thu, 01 Jan 2015 00:00:00 GMT"
        assert self.get(server, tmp_path).read_bytes() == CONTENT
        assert server.gets("file") == [None, "bytes=1000-", "bytes=3000-"]

    def test_a_server_without_ranges_starts_anew(self, server, tmp_path):
        server.files["file"], server.breaks["file"], server.ranges = CONTENT, [1000, 2000], False
        assert self.get(server, tmp_path).read_bytes() == CONTENT

    def test_a_server_without_marks_sizes_or_head(self, server, tmp_path):
        server.files["file"], server.marks["file"], server.heads = CONTENT, None, False
        (tmp_path / "file.part").write_bytes(b"of something else")
        assert self.get(server, tmp_path).read_bytes() == CONTENT
        server.length["file"] = None
        assert self.get(server, tmp_path).read_bytes() == CONTENT

    def test_more_announced_than_there_is(self, server, tmp_path):
        server.files["file"], server.length["file"] = CONTENT, len(CONTENT) + 100
        with pytest.raises(DataError, match=f"broke off 6 times at {len(CONTENT):,} bytes"):
            self.get(server, tmp_path)
        assert not (tmp_path / "file").exists()

    def test_less_announced_than_there_is_gives_no_file_of_another_length(self, server, tmp_path):
        server.files["file"] = CONTENT
        (tmp_path / "file.part").write_bytes(CONTENT + b"x")
        note = {"url": f"{server.url}/file", "bytes": len(CONTENT), "mark": '"one"'}
        (tmp_path / "file.part.json").write_text(json.dumps(note))
        with pytest.raises(DataError, match="more than the 10,240 bytes"):
            self.get(server, tmp_path)
        assert self.get(server, tmp_path).read_bytes() == CONTENT

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("{}/absent", "answers 404"),
            ("http://127.0.0.1:9/x", "cannot be reached"),
            ("file:///etc/passwd", "https://"),
        ],
    )
    def test_nothing_there(self, server, tmp_path, url, words):
        with pytest.raises(DataError, match=words):
            download(url.format(server.url), tmp_path / "file", wait_s=0)
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written(self, server, tmp_path):
        server.files["file"] = CONTENT
        (tmp_path / "in-the-way").write_text("")
        with pytest.raises(ResourceError, match="cannot be written"):
            download(f"{server.url}/file", tmp_path / "in-the-way" / "file", wait_s=0)


@UNPACKS
class TestUnpack:
    def of(self, folder, content, most_bytes=10_000):
        (folder / "a.tgz").write_bytes(content)
        return unpack(folder / "a.tgz", folder / "to", most_bytes)

    def test_files_and_a_top_folder_of_the_same_name(self, tmp_path):
        assert self.of(tmp_path, tgz({"to/a.xml": b"1", "to/b/c.xml": b"2"})) == 2
        assert (tmp_path / "to" / "b" / "c.xml").read_bytes() == b"2"
        assert self.of(tmp_path, tgz({"x.png": b"3", "other/y.png": b"4"})) == 2
        assert sorted(p.name for p in (tmp_path / "to").iterdir()) == ["other", "x.png"]

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (tgz({"../out": b"1"}), "lies outside"),
            (tgz({"a/../../out": b"1"}), "lies outside"),
            (tgz({"/tmp/out": b"1"}), "lies outside"),
            (tgz({"a": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "link or a device"),
            (tgz({"a": b""}, type=tarfile.LNKTYPE, linkname="../out"), "link or a device"),
            (tgz({"a": b""}, type=tarfile.FIFOTYPE), "link or a device"),
            (tgz({"a": b"0" * 20_000}), "more than 10,000 bytes"),
            (tgz({"a": b"123" * 999})[:-30], "damaged or incomplete"),
            (tgz({"a": b"123" * 999})[:-8] + b"\0" * 8, "damaged or incomplete"),
            (tgz({"a": b"1"})[:60] + b"\xff" * 9 + tgz({"a": b"1"})[69:], "damaged or incomplete"),
            (b"<html>not found</html>", "damaged or incomplete"),
            (b"", "damaged or incomplete"),
        ],
        ids=range(12),  # an archive holds the time it was made at, so it is no name for a test
    )
    def test_what_is_refused_leaves_nothing(self, tmp_path, content, words):
        (tmp_path / "to").mkdir()
        (tmp_path / "to" / "mine").write_text("mine")
        with pytest.raises(DataError, match=words) as caught:
            self.of(tmp_path, content)
        assert "\n" not in str(caught.value)
        left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
        assert left == ["a.tgz", "to", "to/mine"] and not (tmp_path.parent / "out").exists()


def test_a_python_without_the_filter_is_told(tmp_path, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    (tmp_path / "a.tgz").write_bytes(tgz({"a": b"1"}))
    with pytest.raises(ResourceError, match=r"3\.11\.4"):
        unpack(tmp_path / "a.tgz", tmp_path / "to", 10_000)


@UNPACKS
class TestOpenI:
    def test_what_is_fetched_can_be_read(self, open_i_server, tmp_path):
        said = fetch_iu_xray(tmp_path / "iu", base=open_i_server.url)
        digest = hashlib.sha256(open_i_server.files["NLMCXR_png.tgz"]).hexdigest()
        assert len(said) == 2 and f"3 files; SHA-256 {digest} (written down at this first download" in said[1]
        studies = open_studies(f"iu-xray:{tmp_path / 'iu'}")
        assert [s.id for s in studies] == ["CXR1", "CXR2", "CXR3"]
        record = json.loads((tmp_path / "iu" / "archives" / "fetched.json").read_text())
        assert record["NLMCXR_png.tgz"]["sha256"] == digest and record["NLMCXR_reports.tgz"]["files"] == 3

    def test_dicom(self, open_i_server, tmp_path):
        fetch_iu_xray(tmp_path, "dicom", open_i_server.url)
        studies = open_studies(f"iu-xray:{tmp_path}")
        assert [s.views[0].path.name for s in studies] == [f"1_IM-000{n}-1001.dcm" for n in (1, 2, 3)]

    def test_again_asks_for_nothing(self, open_i_server, tmp_path):
        fetch_iu_xray(tmp_path, base=open_i_server.url)
        open_i_server.asked.clear()
        assert fetch_iu_xray(tmp_path, base=open_i_server.url) == [
            "ecgen-radiology/ is there already", "NLMCXR_png/ is there already",
        ]  # fmt: skip
        assert open_i_server.asked == []

    def test_a_film_that_was_removed_comes_back_from_the_archive(self, open_i_server, tmp_path):
        fetch_iu_xray(tmp_path, base=open_i_server.url)
        film = next((tmp_path / "NLMCXR_png").iterdir())
        film.unlink()
        open_i_server.asked.clear()
        assert "(as before)" in fetch_iu_xray(tmp_path, base=open_i_server.url)[1]
        assert film.is_file() and open_i_server.asked == []

    def test_an_archive_that_is_not_the_first_one(self, open_i_server, tmp_path):
        fetch_iu_xray(tmp_path, base=open_i_server.url)
        (tmp_path / "archives" / "NLMCXR_png.tgz").write_bytes(open_i_server.files["NLMCXR_reports.tgz"])
        next((tmp_path / "NLMCXR_png").iterdir()).unlink()
        with pytest.raises(DataError, match="another SHA-256 than when it was first fetched"):
            fetch_iu_xray(tmp_path, base=open_i_server.url)

    def test_a_page_instead_of_an_archive(self, open_i_server, tmp_path):
        good = open_i_server.files["NLMCXR_png.tgz"]
        open_i_server.files["NLMCXR_png.tgz"] = b"<html>maintenance</html>"
        with pytest.raises(DataError, match=r"is not NLMCXR_png\.tgz"):
            fetch_iu_xray(tmp_path, base=open_i_server.url)
        open_i_server.files["NLMCXR_png.tgz"] = good
        assert len(fetch_iu_xray(tmp_path, base=open_i_server.url)) == 2

    def test_ended_between_unpacking_and_the_record(self, open_i_server, tmp_path, monkeypatch):
        write = open_i.write_record

        def ended(out, record):
            if any("files" in entry for entry in record.values()):
                raise KeyboardInterrupt
            write(out, record)

        monkeypatch.setattr(open_i, "write_record", ended)
        with pytest.raises(KeyboardInterrupt):
            fetch_iu_xray(tmp_path, base=open_i_server.url)
        monkeypatch.setattr(open_i, "write_record", write)
        assert len(fetch_iu_xray(tmp_path, base=open_i_server.url)) == 2
        assert open_i_server.gets("NLMCXR_reports.tgz") == [None]

    def test_folders_of_others_are_left_alone(self, open_i_server, tmp_path):
        (tmp_path / "NLMCXR_png").mkdir()
        (tmp_path / "NLMCXR_png" / "mine.png").write_text("mine")
        with pytest.raises(DataError, match="not from here"):
            fetch_iu_xray(tmp_path, base=open_i_server.url)
        assert open_i_server.asked == [] and (tmp_path / "NLMCXR_png" / "mine.png").is_file()

    def test_the_plan(self, open_i_server, tmp_path):
        lines = list(plan(tmp_path, "both", open_i_server.url))
        sizes = [len(open_i_server.files[f"NLMCXR_{name}.tgz"]) for name in ("reports", "png", "dcm")]
        assert all(f"{size:,} bytes (by the server)" in line for size, line in zip(sizes, lines, strict=False))
        assert lines[3].startswith(f"{sum(sizes):,} bytes to fetch") and list(tmp_path.iterdir()) == []
        assert {method for method, _, _ in open_i_server.asked} == {"HEAD"}
        fetch_iu_xray(tmp_path, base=open_i_server.url)
        assert "there already" in next(iter(plan(tmp_path, base=open_i_server.url)))

    def test_a_plan_of_a_server_that_says_no_size(self, open_i_server, tmp_path):
        open_i_server.length["NLMCXR_png.tgz"] = None
        line = list(plan(tmp_path, base=open_i_server.url))[1]
        assert "1,360,000,000 bytes (as others met it; the server does not say)" in line

    def test_a_plan_without_a_connection_says_so(self, tmp_path):
        lines = list(plan(tmp_path, "dicom", "http://127.0.0.1:9"))
        assert "80,694,582,486 bytes (as others met it" in lines[1] and "cannot be reached" in lines[1]

    def test_words_that_are_not_known(self, tmp_path):
        with pytest.raises(DataError, match="png, dicom, both"):
            fetch_iu_xray(tmp_path, "jpeg")
        (tmp_path / "archives").mkdir()
        (tmp_path / "archives" / "fetched.json").write_text("[")
        with pytest.raises(DataError, match=r"fetched\.json is damaged"):
            fetch_iu_xray(tmp_path)

    def test_the_addresses_are_open_is(self):
        assert open_i.address(open_i.BASE, open_i.PNG) == "https://openi.nlm.nih.gov/imgs/collections/NLMCXR_png.tgz"
        assert "CC BY-NC-ND 4.0" in open_i.LICENCE

"""Static files in production: hashed names that may be kept for ever, compressed, and not many."""

import json

from tests.test_deploy import run

# Collects the files as a deployment does, then reads a page and all that it needs.
FETCH = """
import json, re
import django
django.setup()
from django.core.management import call_command
# Without the API's own page, whose files are larger than all of ours together.
skipped = ["drf_spectacular_sidecar*"]
call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=skipped)
from django.test import Client
client = Client(headers={"host": "keqiao.example.org"})
page = client.get("/account/login/", secure=True).content.decode()
files = re.findall(r'(?:href|src)="(/static/[^"#]+)', page)
said = []
for path in dict.fromkeys(files):
    for coding in ("br", "gzip"):
        found = client.get(path, secure=True, headers={"accept-encoding": coding})
        said.append({
            "path": path, "status": found.status_code, "asked": coding,
            "coding": found.headers.get("Content-Encoding", ""),
            "kept": found.headers.get("Cache-Control", ""),
            "bytes": sum(len(part) for part in found.streaming_content),
        })
print(json.dumps(said))
"""
# Kilobytes of CSS and JavaScript, as gzip; the dashboards alone may ship more.
WEIGHT_KB = 180


def test_a_page_needs_few_files_that_are_compressed_and_kept_for_ever(tmp_path):
    done = run("-c", FETCH, KEQIAO_VAR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout.splitlines()[-1])
    assert {one["status"] for one in files} == {200}
    loaded = [one for one in files if one["path"].endswith((".css", ".js"))]
    assert len({one["path"] for one in loaded}) >= 3
    for one in loaded:
        *_name, digest, _kind = one["path"].split(".")
        assert len(digest) == 12 and int(digest, 16) >= 0, one["path"]
        assert "max-age=315360000" in one["kept"] and "immutable" in one["kept"], one
        assert one["coding"] == one["asked"], one
    weight = sum(one["bytes"] for one in loaded if one["asked"] == "gzip")
    assert weight <= WEIGHT_KB * 1000, f"{weight / 1000:.0f} kB"

"""Resources and files: listings, uploads, downloads, deletes, refresh."""

import gzip
import io
import tarfile
import zipfile

from .table import NIFTI, Row

P = "/data/projects/{p}"
MR1 = P + "/subjects/S1/experiments/MR1"
E1 = "/data/experiments/{e1}"
R = MR1 + "/scans/1/resources/NIFTI"
F = R + "/files"
ONE = "/data/projects/{p}/subjects/{s1}/experiments/{e1}/scans/1/resources/{r1}/files/"
FILE = [
    "Name",
    "Size",
    "URI",
    "collection",
    "file_tags",
    "file_format",
    "file_content",
    "cat_ID",
    "digest",
]
RESOURCE = [
    "xnat_abstractresource_id",
    "label",
    "element_name",
    "category",
    "cat_id",
    "cat_desc",
    "file_count",
    "file_size",
    "tags",
    "content",
    "format",
]


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(mode, **members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


TWO = {"d/a.txt": b"a", "b.txt": b"bb"}

ROWS = [
    # ---- resource listings
    Row(
        "GET",
        E1 + "/resources?format=json",
        200,
        "J CatalogResourceList",
        expect={"count": 1, "columns": RESOURCE, "row": {"label": "NOTES", "cat_id": "{e1}"}},
    ),
    Row(
        "GET",
        E1 + "/resources?all=true&format=json",
        200,
        "J XNATTemplate",
        expect={
            "count": 3,
            "row": {
                "label": "NIFTI",
                "category": "scans",
                "cat_id": "1",
                "cat_desc": "T1w",
                "file_count": "2",
                "format": "JSON",
                "content": "T1_RAW",
            },
        },
    ),
    Row(
        "GET",
        E1 + "/resources?all=true&format=json",
        200,
        "J XNATTemplate",
        expect={"row": {"label": "OUT", "category": "assessors", "cat_id": "{a1}"}},
    ),
    Row(
        "GET",
        P + "/experiments/MR1/resources?format=csv",
        200,
        "J CatalogResourceList",
        expect={"row": {"label": "NOTES"}},
    ),
    Row(
        "GET",
        E1 + "/scans/1/resources?format=json",
        200,
        "J CatalogResourceList",
        expect={"count": 1, "row": {"label": "NIFTI", "element_name": "xnat:resourceCatalog"}},
    ),
    Row("GET", E1 + "/scans/T1w/resources?format=json", 200, "J XNATTemplate", expect={"count": 1}),
    Row("GET", P + "/resources?format=json", 200, "J CatalogResourceList", expect={"count": 0}),
    # ---- resources
    Row(
        "PUT",
        E1 + "/resources/NEW?format=TXT",
        200,
        "J CatalogResource",
        expect={"text": ""},
        after=(
            (
                "GET",
                E1 + "/resources?format=json",
                200,
                {"row": {"label": "NEW", "format": "TXT", "file_count": ""}},
            ),
        ),
    ),
    Row(
        "PUT",
        R,
        409,
        "J CatalogResource",
        expect={"contains": "Specified resource already exists."},
    ),
    Row("PUT", E1 + "/resources/123", 404, "J XNATCatalogTemplate"),
    Row("PUT", P + "/subjects/nobody/resources/X", 404, "J XNATTemplate"),
    Row(
        "GET",
        R + "?format=json",
        200,
        "J CatalogResource",
        expect={
            "headers": {"Content-Type": "text/xml"},
            "contains": ["<cat:Catalog", 'URI="t1.nii.gz"', 'URI="sub/t1.json"'],
        },
    ),
    Row("GET", E1 + "/resources/NOSUCH", 404, "J CatalogResource"),
    Row(
        "DELETE",
        R,
        200,
        "J CatalogResource",
        expect={"text": ""},
        after=(("GET", E1 + "/scans/1/resources?format=json", 200, {"count": 0}),),
    ),
    Row("DELETE", E1 + "/resources/NOSUCH", 200, "J CatalogResource"),
    Row(
        "DELETE",
        E1 + "/resources/NOTES,B",
        200,
        "J CatalogResource",
        before=(("PUT", E1 + "/resources/B"),),
        after=(("GET", E1 + "/resources?format=json", 200, {"count": 0}),),
    ),
    Row(
        "POST",
        E1 + "/resources",
        200,
        "J CatalogResourceList",
        headers={"Content-Type": "text/xml"},
        body='<xnat:ResourceCatalog label="my data" format="X" '
        'xmlns:xnat="http://nrg.wustl.edu/xnat"/>',
        after=(
            ("GET", E1 + "/resources?format=json", 200, {"row": {"label": "my data"}}),
            ("GET", E1 + "/resources/my%20data/files", 200, {"count": 0}),
        ),
    ),
    # ---- file listings
    Row(
        "GET",
        F + "?format=json",
        200,
        "J FileList",
        expect={
            "count": 2,
            "columns": FILE,
            "no_member": ["totalRecords"],
            "member": ["Columns", "title"],
            "row": {
                "Name": "t1.nii.gz",
                "Size": str(len(NIFTI)),
                "collection": "NIFTI",
                "cat_ID": "{r1}",
                "URI": ONE + "t1.nii.gz",
            },
        },
    ),
    Row(
        "GET",
        F + "?format=csv",
        200,
        "J FileList",
        expect={"row": {"Name": "t1.json", "file_format": "JSON", "URI": ONE + "sub/t1.json"}},
    ),
    Row(
        "GET",
        E1 + "/scans/1/resources/{r1}/files?format=json",
        200,
        "J FileList",
        expect={"row": {"URI": E1 + "/scans/1/resources/{r1}/files/t1.nii.gz"}},
    ),
    Row(
        "GET",
        E1 + "/files?format=json",
        200,
        "J XNATTemplate",
        expect={"count": 1, "row": {"Name": "n.txt"}},
    ),
    Row(
        "GET",
        E1 + "/files?all=true&format=json",
        200,
        "J XNATTemplate",
        expect={"count": 4, "row": {"URI": E1 + "/scans/1/resources/{r1}/files/sub/t1.json"}},
    ),
    Row(
        "GET",
        E1 + "/files?all=true&format=json",
        200,
        "J XNATTemplate",
        expect={"row": {"Name": "o.txt", "collection": "OUT"}},
    ),
    Row(
        "GET",
        "/data/experiments/{e1},{e2}/files?all=true&format=json",
        200,
        "J XNATTemplate",
        expect={"count": 4},
    ),
    Row(
        "GET",
        "/data/experiments/{e1},{e2},nosuch/scans/ALL/files?format=json",
        200,
        "J XNATTemplate",
        expect={"count": 2},
    ),
    Row("GET", E1 + "/scans/*/files?format=json", 200, "J XNATTemplate", expect={"count": 2}),
    Row("GET", E1 + "/scans/1,2/files?format=json", 200, "J XNATTemplate", expect={"count": 2}),
    Row(
        "GET",
        E1 + "/scans/T1w,FLAIR/resources/NIFTI/files?format=json",
        200,
        "J XNATTemplate",
        expect={"count": 2},
    ),
    Row(
        "GET",
        E1 + "/scans/T2%5BSLASH%5Da%5BCOMMA%5Db/files?format=json",
        200,
        "J XNATTemplate",
        expect={"count": 0},
    ),
    Row("GET", E1 + "/scans/NULL/files?format=json", 200, "J XNATTemplate", expect={"count": 0}),
    Row(
        "GET",
        E1 + "/scans/ALL/resources/NOSUCH/files?format=json",
        200,
        "J FileList",
        expect={"count": 0},
    ),
    Row(
        "GET",
        E1 + "/scans/ALL/resources/NIFTI,OTHER/files?format=json",
        200,
        "J FileList",
        expect={"row": {"URI": E1 + "/scans/1,2,3/resources/{r1}/files/t1.nii.gz"}},
    ),
    Row(
        "GET",
        E1 + "/resources/NOTES,NIFTI/files?all=true&format=json",
        200,
        "J FileList",
        expect={"count": 3},
    ),
    Row("GET", E1 + "/resources/NIFTI/files?format=json", 200, "J FileList", expect={"count": 0}),
    Row("GET", E1 + "/resources/999999/files?format=json", 404, "J XNATCatalogTemplate", "likely"),
    Row(
        "GET",
        E1 + "/assessors/ALL/out/files?format=json",
        200,
        "J XNATTemplate",
        expect={"row": {"URI": E1 + "/assessors/{a1}/out/resources"}} and {"count": 1},
    ),
    Row(
        "GET",
        E1 + "/assessors/xnat:qcManualAssessorData/files?format=json",
        200,
        "J XNATTemplate",
        expect={"count": 1, "row": {"Name": "o.txt"}},
    ),
    Row("GET", "/data/experiments/nosuch/files", 500, "J FileList"),
    Row("GET", "/data/experiments/{e2}/scans/ALL/files", 500, "J FileList"),
    Row(
        "GET",
        P + "/subjects/S2/experiments/MR2/scans/ALL/files?format=json",
        200,
        "J FileList",
        expect={"count": 0},
    ),
    Row("GET", P + "/files?format=json", 200, "J XNATTemplate", expect={"count": 0}),
    Row("GET", F + "/sub/?format=json", 200, "J FileList", expect={"count": 1}),
    Row("GET", F + "?file_format=JSON&format=json", 200, "J FileList", expect={"count": 1}),
    Row("GET", F + "?file_content=NULL&format=json", 200, "J FileList", expect={"count": 2}),
    Row(
        "GET",
        F + "?locator=absolutePath&format=json",
        200,
        "J FileList",
        expect={"has_columns": ["absolutePath"]},
    ),
    Row("GET", F + "?file_format=JSON&index=0", 200, "J FileList", expect={"content": b"{}"}),
    Row("GET", F + "?file_format=JSON&index=1", 404, "J FileList"),
    Row("HEAD", E1 + "/scans/ALL/files", 404, "J XNATTemplate"),
    # ---- single files
    Row(
        "GET",
        F + "/t1.nii.gz",
        200,
        "J FileList",
        expect={
            "content": NIFTI,
            "headers": {
                "Content-Length": str(len(NIFTI)),
                "Content-Type": "application/octet-stream",
                "Content-Disposition": 'attachment; filename="t1.nii.gz"',
                "Cache-Control": "must-revalidate",
                "Accept-Ranges": "bytes",
                "Last-Modified": "GMT",
                "ETag": None,
            },
        },
    ),
    Row(
        "GET",
        E1 + "/scans/1/resources/{r1}/files/sub/t1.json",
        200,
        "J FileList",
        expect={"content": b"{}"},
    ),
    Row("GET", F + "/nosuch", 404, "J FileList"),
    Row("GET", F + "/nosuch?accept-not-found=true", 204, "J FileList"),
    Row(
        "HEAD",
        F + "/t1.nii.gz",
        200,
        "L Restlet",
        expect={"headers": {"Content-Length": str(len(NIFTI))}, "content": b""},
    ),
    Row(
        "GET",
        F + "/t1.nii.gz",
        206,
        "L Restlet",
        headers={"Range": "bytes=0-9"},
        expect={"content": NIFTI[:10], "headers": {"Content-Range": f"bytes 0-9/{len(NIFTI)}"}},
    ),
    Row(
        "GET",
        F + "/t1.nii.gz",
        206,
        "L Restlet",
        headers={"Range": "bytes=100-"},
        expect={"content": NIFTI[100:]},
    ),
    Row(
        "GET",
        F + "/t1.nii.gz",
        206,
        "L Restlet",
        headers={"Range": "bytes=-7"},
        expect={"content": NIFTI[-7:]},
    ),
    Row("GET", F + "/t1.nii.gz", 416, "L Restlet", headers={"Range": "bytes=99999-"}),
    Row("GET", F + "/t1.nii.gz", 501, "L Restlet", headers={"Range": "bytes=0-1,3-4"}),
    Row("GET", F + "/t1.nii.gz", 412, "L Restlet", headers={"If-Match": '"x"'}),
    Row("GET", F + "/t1.nii.gz", 200, "L Restlet", headers={"If-None-Match": '"x"'}),
    Row(
        "GET",
        F + "/t1.nii.gz",
        200,
        "L Restlet",
        headers={"If-Modified-Since": "Wed, 01 Jan 2020 00:00:00 GMT"},
    ),
    Row(
        "GET",
        F + "/t1.nii.gz",
        412,
        "L Restlet",
        headers={"If-Unmodified-Since": "Wed, 01 Jan 2020 00:00:00 GMT"},
    ),
    # ---- uploads
    Row(
        "PUT",
        F + "/new.txt?inbody=true",
        200,
        "T TestFileUpload",
        body=b"new",
        expect={"text": "", "headers": {"Content-Type": "text/plain"}},
        after=(
            ("GET", F + "/new.txt", 200, {"content": b"new"}),
            ("GET", E1 + "/scans/1/resources?format=json", 200, {"row": {"file_count": "3"}}),
        ),
    ),
    Row(
        "POST",
        F + "/new.txt?inbody=true",
        200,
        "T TestFileUpload",
        body=b"new",
        after=(("GET", F + "/new.txt", 200, {"content": b"new"}),),
    ),
    Row(
        "PUT",
        F + "/new.txt",
        200,
        "J SecureResource",
        body=b"new",
        headers={"Content-Type": "application/octet-stream"},
        after=(("GET", F + "/new.txt", 200, {"content": b"new"}),),
    ),
    Row(
        "PUT",
        F + "/new.txt",
        200,
        "T TestFileUpload",
        files={"f": ("x.txt", b"multi")},
        after=(("GET", F + "/new.txt", 200, {"content": b"multi"}),),
    ),
    Row(
        "POST",
        F,
        200,
        "T TestFileUpload",
        files={"a": ("one.txt", b"1"), "b": ("two.txt", b"2")},
        after=(("GET", F + "?format=json", 200, {"count": 4}),),
    ),
    Row(
        "PUT",
        F + "/t1.nii.gz?inbody=true",
        200,
        "T TestFileUpload",
        body=b"other",
        expect={"json": {"duplicates": ["t1.nii.gz"]}, "headers": {"Content-Type": "text/html"}},
        after=(("GET", F + "/t1.nii.gz", 200, {"content": NIFTI}),),
    ),
    Row(
        "PUT",
        F + "/t1.nii.gz?inbody=true&overwrite=true",
        200,
        "T TestFileUpload",
        body=b"other",
        after=(
            ("GET", F + "/t1.nii.gz", 200, {"content": b"other"}),
            (
                "GET",
                F + "?format=json",
                200,
                {"count": 2, "row": {"Size": "5", "digest": "795f3202b17cb6bc3d4b771d8c6c9eaf"}},
            ),
        ),
    ),
    Row(
        "PUT",
        F + "/empty.txt",
        200,
        "J SecureResource",
        files={"f": ("empty.txt", b"")},
        after=(("GET", F + "/empty.txt", 200, {"content": b""}),),
    ),
    Row("PUT", F + "/empty.txt?inbody=true", 500, "J SecureResource", body=b""),
    Row("PUT", F + "/x.txt?inbody=true", 400, "J SecureResource", files={"f": ("x", b"x")}),
    Row("PUT", F + "/x.txt", 400, "J FileList", form={"a": "b"}),
    Row(
        "PUT",
        F + "/z.txt?inbody=true&format=TXT&content=C&tags=a,b%3Dc",
        200,
        "J XNATCatalogTemplate",
        body=b"z",
        after=(
            (
                "GET",
                F + "?format=json",
                200,
                {
                    "row": {
                        "Name": "z.txt",
                        "file_format": "TXT",
                        "file_content": "C",
                        "file_tags": "a,b=c",
                    }
                },
            ),
            (
                "GET",
                E1 + "/scans/1/resources?format=json",
                200,
                {"row": {"format": "TXT", "content": "C"}},
            ),
        ),
    ),
    Row(
        "PUT",
        E1 + "/resources/MADE/files/a.txt?inbody=true",
        200,
        "J FileList",
        body=b"a",
        after=(("GET", E1 + "/resources?format=json", 200, {"row": {"label": "MADE"}}),),
    ),
    Row(
        "PUT",
        P + "/resources/DOCS/files/a.txt?inbody=true",
        200,
        "J FileList",
        body=b"a",
        after=(
            (
                "GET",
                P + "/files?format=json",
                200,
                {"count": 1, "row": {"Name": "a.txt", "collection": "DOCS"}},
            ),
        ),
    ),
    Row(
        "PUT",
        P + "/subjects/S1/resources/DOCS/files/a.txt?inbody=true",
        200,
        "T TestProjectResources",
        body=b"a",
        after=(("GET", P + "/subjects/S1/files?format=json", 200, {"count": 1}),),
    ),
    Row(
        "PUT",
        E1 + "/scans/99/resources/X/files/a.txt?inbody=true",
        404,
        "J XNATTemplate",
        body=b"a",
    ),
    Row(
        "PUT",
        F + "/a%20b.txt?inbody=true",
        200,
        "J FileList",
        body=b"a",
        after=(
            ("GET", F + "/a%20b.txt", 200, {"content": b"a"}),
            ("GET", F + "?format=json", 200, {"row": {"Name": "a b.txt"}}),
        ),
    ),
    Row("PUT", F + "/..%2Fx?inbody=true", 500, "L StrictHttpFirewall", body=b"a"),
    Row(
        "PUT",
        F + "/x.zip?extract=true&inbody=true",
        200,
        "T TestFileUpload",
        body=zipped(**TWO),
        after=(
            ("GET", F + "/d/a.txt", 200, {"content": b"a"}),
            ("GET", F + "?format=json", 200, {"count": 4}),
        ),
    ),
    Row(
        "PUT",
        F + "/x.tar?extract=true&inbody=true",
        200,
        "T TestFileUpload",
        body=tarred("w", **TWO),
        after=(("GET", F + "/b.txt", 200, {"content": b"bb"}),),
    ),
    Row(
        "PUT",
        F + "/x.tgz?extract=true&inbody=true",
        200,
        "T TestFileUpload",
        body=tarred("w:gz", **TWO),
        after=(("GET", F + "/b.txt", 200, {"content": b"bb"}),),
    ),
    Row(
        "PUT",
        F + "/x.txt.gz?extract=true&inbody=true",
        200,
        "J FileExtractor",
        body=gzip.compress(b"plain"),
        after=(("GET", F + "/x.txt", 200, {"content": b"plain"}), ("GET", F + "/x.txt.gz", 404)),
    ),
    Row(
        "PUT",
        F + "/x.txt?extract=true&inbody=true",
        200,
        "J FileExtractor",
        body=b"x",
        after=(("GET", F + "/x.txt", 200, {"content": b"x"}),),
    ),
    Row(
        "PUT",
        F + "/x.zip?inbody=true",
        200,
        "T TestFileUpload",
        body=zipped(**TWO),
        after=(
            ("GET", F + "/x.zip!/d/a.txt", 200, {"content": b"a"}),
            ("GET", F + "/x.zip/b.txt", 200, {"content": b"bb"}),
            (
                "GET",
                F + "/x.zip?listContents=true",
                200,
                {"count": 2, "columns": ["File Name", "Size"]},
            ),
            ("GET", F + "/x.zip!/nosuch", 404),
        ),
    ),
    Row(
        "PUT",
        F + "/n.zip?inbody=true",
        200,
        "J FileList",
        body=b"no zip",
        after=(("GET", F + "/n.zip!/x", 415),),
    ),
    Row(
        "PUT",
        F + "/packed.txt?inbody=true",
        200,
        "L Decoder",
        body=gzip.compress(b"plain"),
        headers={"Content-Encoding": "gzip"},
        after=(("GET", F + "/packed.txt", 200, {"content": b"plain"}),),
    ),
    # ---- deleting files
    Row(
        "DELETE",
        F + "/t1.nii.gz",
        200,
        "J CatalogUtils",
        expect={"text": ""},
        after=(("GET", F + "?format=json", 200, {"count": 1}),),
    ),
    Row(
        "DELETE",
        F + "/t1",
        200,
        "J CatalogUtils",
        after=(("GET", F + "?format=json", 200, {"count": 1, "row": {"Name": "t1.json"}}),),
    ),
    Row(
        "DELETE",
        F + "/sub/*",
        200,
        "J CatalogUtils",
        after=(("GET", F + "?format=json", 200, {"count": 1}),),
    ),
    Row(
        "DELETE", F, 200, "J CatalogUtils", after=(("GET", F + "?format=json", 200, {"count": 0}),)
    ),
    Row("DELETE", F + "/nosuch", 404, "J FileList"),
    Row("DELETE", F + "/nosuch?accept-not-found=true", 204, "J FileList"),
    Row("DELETE", E1 + "/files/n.txt", 400, "J FileList"),
    # ---- archives of many
    Row(
        "GET",
        MR1 + "/scans/1/files?format=zip",
        200,
        "J FileList",
        expect={
            "names": [
                "MR1/scans/1-T1w/resources/NIFTI/files/t1.nii.gz",
                "MR1/scans/1-T1w/resources/NIFTI/files/sub/t1.json",
            ],
            "headers": {
                "Content-Type": "application/zip",
                "Content-Length": None,
                "Content-Disposition": 'filename="MR1.zip"',
            },
        },
    ),
    Row(
        "GET",
        E1 + "/files?all=true&format=zip",
        200,
        "J RestFileUtils",
        expect={
            "names": [
                "MR1/resources/NOTES/files/n.txt",
                "MR1/scans/1/resources/NIFTI/files/t1.nii.gz",
                "MR1/scans/1/resources/NIFTI/files/sub/t1.json",
                "MR1/assessors/QC1/out/resources/OUT/files/o.txt",
            ]
        },
    ),
    Row(
        "GET",
        E1 + "/scans/ALL/files?format=zip&structure=simplified",
        200,
        "J RestFileUtils",
        expect={"names": ["MR1/scans/1/NIFTI/t1.nii.gz", "MR1/scans/1/NIFTI/sub/t1.json"]},
    ),
    Row(
        "GET",
        E1 + "/scans/ALL/files?format=zip&structure=legacy",
        200,
        "J RestFileUtils",
        expect={"names": ["MR1/SCANS/1/NIFTI/t1.nii.gz", "MR1/SCANS/1/NIFTI/sub/t1.json"]},
    ),
    Row(
        "GET",
        E1 + "/scans/ALL/files?format=zip&structure=improved",
        200,
        "J FileList",
        expect={"names": ["scans/1_T1w/NIFTI/t1.nii.gz", "scans/1_T1w/NIFTI/sub/t1.json"]},
    ),
    Row(
        "GET",
        E1 + "/scans/ALL/files?format=zip&projectIncludedInPath=true&subjectIncludedInPath=true",
        200,
        "J FileList",
        expect={
            "names": [
                "{p}/S1/MR1/scans/1-T1w/resources/NIFTI/files/t1.nii.gz",
                "{p}/S1/MR1/scans/1-T1w/resources/NIFTI/files/sub/t1.json",
            ]
        },
    ),
    Row(
        "GET",
        E1 + "/scans/ALL/files?format=tar",
        200,
        "J ZipRepresentation",
        expect={
            "tar": [
                "MR1/scans/1-T1w/resources/NIFTI/files/t1.nii.gz",
                "MR1/scans/1-T1w/resources/NIFTI/files/sub/t1.json",
            ]
        },
    ),
    Row(
        "GET",
        E1 + "/scans/ALL/files?format=tar.gz",
        200,
        "J ZipRepresentation",
        expect={"headers": {"Content-Disposition": ".tar.gz"}},
    ),
    Row("GET", F + "/t1.nii.gz?format=zip", 200, "J FileList", expect={"names": ["t1.nii.gz"]}),
    Row("GET", P + "/files?format=zip", 404, "J FileList"),
    Row("GET", P + "/files?format=zip&accept-not-found=true", 204, "J FileList"),
    Row("GET", E1 + "/scans/ALL/files?format=zip", 500, "L Restlet", headers={"Range": "bytes=5-"}),
    Row(
        "GET",
        E1 + "/scans/ALL/files?format=xcat",
        200,
        "J FileList",
        expect={"contains": "<cat:Catalog"},
    ),
    # ---- refresh
    Row(
        "POST",
        "/data/services/refresh/catalog?resource=/archive/projects/{p}/subjects/S1/"
        "experiments/MR1/scans/1/resources/NIFTI&options=populateStats",
        200,
        "J RefreshCatalog",
        before=(("PUT", F + "/q.txt?inbody=true&update-stats=false", b"q"),),
        after=(("GET", E1 + "/scans/1/resources?format=json", 200, {"row": {"file_count": "3"}}),),
    ),
    Row(
        "POST",
        "/data/services/refresh/catalog?resource=/archive/experiments/{e1}&append=true",
        200,
        "J RefreshCatalog",
    ),
    Row("POST", "/data/services/refresh/catalog?resource=/nonsense", 400, "J RefreshCatalog"),
    Row("POST", "/data/services/refresh/catalog", 400, "J RefreshCatalog"),
]

"""XNAT's own tests of resources and files, told as rows."""

import io
import tarfile
import zipfile

from .rows_tests_elements import told

P = "/data/projects/{p}"
S1 = P + "/subjects/S1"
MR1 = S1 + "/experiments/MR1"
E1 = "/data/experiments/{e1}"
DICOM = b"\0" * 128 + b"DICM" + bytes(range(256))
NAMES = [f"mr_1/{number}.dcm" for number in range(1, 7)]


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in NAMES:
            archive.writestr(name, DICOM + name.encode())
    return out.getvalue()


def tarred(mode):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name in NAMES:
            info = tarfile.TarInfo(name)
            info.size = len(DICOM + name.encode())
            archive.addfile(info, io.BytesIO(DICOM + name.encode()))
    return out.getvalue()


PACKED = {
    "Zip": ("mr_1.zip", zipped()),
    "Tar": ("mr_1.tar", tarred("w")),
    "TarGz": ("mr_1.tar.gz", tarred("w:gz")),
    "Tgz": ("mr_1.tgz", tarred("w:gz")),
}
LEVELS = {"MR": MR1, "Scan": MR1 + "/scans/1", "Subject": S1, "Project": P}

EXTRACTED = [
    told(
        f"TestFileUpload.test{level}ResourceUpload{kind}",
        "POST",
        f"{front}/resources/{{u}}/files?extract=true",
        200,
        files={"file": packed},
        after=(("GET", f"{front}/resources/{{u}}/files?format=json", 200, {"count": 6}),),
    )
    for level, front in LEVELS.items()
    for kind, packed in PACKED.items()
]

READ = [
    told(
        f"TestFileUpload.test{level}ResourceUpload{kind}",
        "GET",
        f"{front}/resources/{{u}}/files/{name}",
        200,
        ("POST", f"{front}/resources/{{u}}/files?extract=true", {"file": packed}),
        expect={"content": DICOM + name.encode()},
    )
    for level, front in LEVELS.items()
    for kind, packed in PACKED.items()
    for name in NAMES
]

#: where a test puts one file, and then reads it with and without the resource
ONE = {
    "testScanUpload": MR1 + "/scans/1",
    "testTextIMGUploadWOPrecreate": MR1 + "/scans/2",
    "testMRResourceUpload": MR1,
    "testSubjectResourceUpload": S1,
    "testProjectResourceUpload": P,
    "testReconUpload": MR1 + "/reconstructions/MR1_recon1",
    "testReconstructionUpload": MR1 + "/reconstructions/1_MR1_2",
    "testManQCUpload": MR1 + "/assessors/QC1/out",
}
MAKE = {name: (("PUT", front),) if "recon" in front else () for name, front in ONE.items()}
UPLOADS = []
for test, front in ONE.items():
    file = "/resources/{u}/files/{u}.dcm"
    put = (("PUT", front + file, {"file": ("1.dcm", DICOM)}),)
    UPLOADS += [
        told("TestFileUpload." + test, "PUT", front + file, 200, *MAKE[test],
             files={"file": ("1.dcm", DICOM)},
             after=(("GET", front + file, 200, {"content": DICOM}),)),
        told("TestFileUpload." + test, "GET", front + "/files/{u}.dcm", 200, *MAKE[test], *put,
             expect={"content": DICOM}),
        told("TestFileUpload." + test, "GET", front + file, 200, *MAKE[test], *put,
             expect={"content": DICOM}),
    ]  # fmt: skip
UPLOADS += [
    told("TestFileUpload.testReconUpload", "PUT", MR1 + "/reconstructions/{u}", 200,
         after=(("GET", MR1 + "/reconstructions/{u}?format=json", 200),)),
    told("TestFileUpload.testReconstructionUpload", "PUT",
         MR1 + "/reconstructions/{u}?format=xml&req_format=qs&type=LOCALIZER", 200,
         after=(("GET", MR1 + "/reconstructions?format=json", 200,
                 {"row": {"ID": "{u}", "type": "LOCALIZER"}}),)),
]  # fmt: skip

PRE = MR1 + "/scans/{u}"
BEFORE = (
    ("PUT", PRE + "?xsiType=xnat:mrScanData&series_description=LOCALIZER&quality=usable"),
    ("PUT", PRE + "/resources/DICOM"),
)
PRECREATED = [
    told("TestFileUpload.testImageUploadWResourcePrecreate", "PUT",
         PRE + "/resources/DICOM/files/1.dcm", 200, *BEFORE, files={"file": ("1.dcm", DICOM)},
         after=(("GET", PRE + "/resources/DICOM/files/1.dcm", 200, {"content": DICOM}),
                ("GET", PRE + "/resources?format=json", 200,
                 {"row": {"label": "DICOM", "file_count": "1"}}))),
    told("TestFileUpload.testImageUploadWResourcePrecreate", "PUT", PRE + "/resources/DICOM", 200,
         BEFORE[0], after=(("GET", PRE + "/resources?format=json", 200, {"count": 1}),)),
    told("TestFileUpload.testImageUploadWResourcePrecreate", "PUT", BEFORE[0][1], 200,
         after=(("GET", MR1 + "/scans?format=json", 200, {"row": {
             "ID": "{u}", "series_description": "LOCALIZER", "quality": "usable"}}),)),
    told("TestFileUpload.testTextUploadWResourcePrecreate", "PUT",
         PRE + "/resources/DICOM/files/dummy.txt", 200, *BEFORE,
         files={"file": ("dummy.txt", b"some text\n")},
         after=(("GET", PRE + "/resources/DICOM/files/dummy.txt", 200,
                 {"content": b"some text\n"}),)),
]  # fmt: skip

TEST2 = P + "/resources/{u}/files"
TREE = tuple(
    ("PUT", f"{TEST2}/{path}", {"file": ("3.dcm", DICOM)})
    for path in ("1.dcm", "sub/2.dcm", "sub/folder/3.dcm")
)
RES = "TestFileUpload.testResourcesUpload"
FOLDERS = [
    told(RES, "PUT", f"{front}/resources/{{u}}/files/1.dcm", 200,
         files={"file": ("1.dcm", DICOM)},
         after=(("GET", f"{front}/resources/{{u}}/files/1.dcm", 200, {"content": DICOM}),))
    for front in (MR1, S1, P)
] + [
    told(RES, "GET", MR1 + "?format=xml", 200,
         expect={"contains": "<xnat:date>2014-05-07</xnat:date>"}),
    told(RES, "GET", MR1 + "/resources/{u}/files?format=zip&compression=0", 200,
         ("PUT", MR1 + "/resources/{u}/files/1.dcm", {"file": ("1.dcm", DICOM)}),
         expect={"names": ["MR1/resources/{u}/files/1.dcm"]}),
    told(RES, "PUT", TEST2 + "/sub/folder/3.dcm", 200, files={"file": ("3.dcm", DICOM)},
         after=(("GET", TEST2 + "/sub/folder/3.dcm", 200, {"content": DICOM}),)),
    told(RES, "GET", TEST2 + "/sub/?format=json", 200, *TREE, expect={"count": 2}),
    told(RES, "GET", TEST2 + "/sub/?format=json&recursive=false", 200, *TREE,
         expect={"count": 1}),
    told(RES, "GET", TEST2 + "/sub/?format=zip", 200, *TREE, expect={"names": [
        "{p}/resources/{u}/files/sub/2.dcm", "{p}/resources/{u}/files/sub/folder/3.dcm"]}),
    told(RES, "DELETE", TEST2 + "/sub/folder", 200, *TREE,
         after=(("GET", TEST2 + "/sub/?format=json", 200, {"count": 1}),)),
    told(RES, "GET", TEST2 + "/sub/?format=json", 200, *TREE, ("DELETE", TEST2 + "/sub/folder"),
         expect={"count": 1, "row": {"Name": "2.dcm"}}),
]  # fmt: skip

COUNT = "TestFileUpload.testMRResourcesTotalRecordsCount"
BARE = S1 + "/experiments/{u}"
EMPTY = ("PUT", BARE + "?xsiType=xnat:mrSessionData")
THREE = (EMPTY,) + tuple(
    ("PUT", f"{BARE}/resources/TEST{n}/files/{n}.dcm", {"file": (f"{n}.dcm", DICOM)})
    for n in (1, 2, 3)
)
TOTALS = [
    told(COUNT, "GET", f"{BARE}/resources?format=json{stats}", 200, *before,
         expect={"total": total})
    for before, total in (((EMPTY,), 0), (THREE, 3))
    for stats in ("&file_stats=true", "", "&file_stats=false")
]  # fmt: skip

FILTER = "TestFileFiltering.testFileFiltering"
LOUIE = b"\xff\xd8\xff\xe0 louie"
FILTERED = MR1 + "/resources/{u}/files"
FIVE = tuple(
    ("PUT", f"{FILTERED}/Louie{n}.jpg?inbody=true&content=TEST{kind}", LOUIE + b"%d" % n)
    for n, kind in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3))
)
FILTERS = [
    told(FILTER, "GET", FILTERED + "?format=json", 200, *FIVE, expect={"count": 5}),
    told(FILTER, "GET", FILTERED + "?format=json&file_content=TEST2", 200, *FIVE,
         expect={"count": 2, "values": {"Name": ["Louie3.jpg", "Louie4.jpg"]}}),
    told(FILTER, "GET", FILTERED + "?format=json&file_content=TEST3", 200, *FIVE,
         expect={"count": 1, "row": {"Name": "Louie5.jpg", "file_content": "TEST3"}}),
    told(FILTER, "GET", FILTERED + "?file_content=TEST3&index=1", 404, *FIVE),
    told(FILTER, "GET", FILTERED + "?file_content=TEST2&index=1", 200, *FIVE,
         expect={"content": LOUIE + b"4"}),
]  # fmt: skip

ROWS = [*EXTRACTED, *READ, *UPLOADS, *PRECREATED, *FOLDERS, *TOTALS, *FILTERS]

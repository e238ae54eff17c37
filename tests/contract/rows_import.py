"""The import service: where sessions go, what is in their way, what becomes of them."""

import io
import tarfile

from support.dicom_files import instance, packed, study

from .table import Row

IMPORT = "/data/services/import?inbody=true"
SI = IMPORT + "&import-handler=SI"
ZIP = IMPORT + "&import-handler=DICOM-zip"
GRADUAL = IMPORT + "&import-handler=gradual-DICOM"
P = "/data/projects/{p}"
PREARCHIVE = "/prearchive/projects/{p}"
WAIT = PREARCHIVE + "/20140507_100000/WAIT"
ARCHIVED = "/archive/projects/{p}/subjects/SI1/experiments/SIE1"
NEW = P + "/subjects/SI1/experiments/SIE1"
PACKED = {"Content-Type": "application/zip"}
TWO = study(2)
OTHER_FILES = packed({"1/000005.dcm": instance(5), "1/000006.dcm": instance(6)})
SERIES_2 = study(2, series=(2,))
OTHER_STUDY = study(2, series=(3,), study=9)
SAME_NUMBER = packed({"1/000009.dcm": instance(9, SeriesInstanceUID="1.2.3.4")})
WITH_TEXT = packed({"a.dcm": instance(0), "text.dcm": b"I am no DICOM file"})
PET = study(1, Modality="PT", sop_class="1.2.840.10008.5.1.4.1.1.128")
SAYS = "J SessionImporter"


def tarred(mode):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for number in range(2):
            content = instance(number)
            info = tarfile.TarInfo(f"{number:06d}.dcm")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def sent(path, body=TWO):
    """One import, as a step before a row."""
    return ("POST", path, body)


def step(entry, status, message):
    """A step of a long operation, told before a row; a form in parts, as steps have no type."""
    body = {"status": (None, status), "message": (None, message)}
    return ("POST", f"/{entry}/status/{{u}}", body)


def row(path, status, source, *more, body=TWO, **others):
    """A row about an import of a zip."""
    return Row("POST", path, status, source, *more, body=body, headers=PACKED, **others)


def scans(number):
    return ("GET", NEW + "/scans?format=json", 200, {"count": number})


def files(number):
    return ("GET", NEW + "/scans/1/files?format=json", 200, {"count": number})


ONTO = f"&dest={ARCHIVED}"
MANUAL = ("PUT", P + "/prearchive_code/0")

ROWS = [
    # ---- what is wrong with a request
    Row("GET", "/data/services/import", 405, "J Importer"),
    Row("PUT", "/data/services/import", 405, "J Importer"),
    Row("DELETE", "/REST/services/import", 405, "J Importer"),
    Row("POST", "/data/services/import?import-handler=SI", 400, "J Importer"),
    Row("POST", "/data/services/import?import-handler=DICOM-zip&dest=/archive", 400, "J Importer"),
    row(IMPORT + "&import-handler=nosuch", 404, "J ImporterHandlerA"),
    row(SI + "&dest=/nonsense", 400, "J DicomZipImporter", "likely"),
    row(SI, 400, "J SessionImporter", body=packed({"a.txt": b"text"})),
    row(SI, 400, "J SessionImporter", "likely", body=b"PK no zip at all"),
    Row(
        "POST",
        "/data/services/import?import-handler=SI",
        400,
        "J Importer",
        files={"a": ("a.zip", TWO), "b": ("b.zip", TWO)},
    ),
    row(IMPORT + "&import-handler=inbox&path=/etc", 400, "J DicomInboxImporter"),
    Row(
        "POST",
        "/data/services/import?import-handler=SI&format=html",
        200,
        "J Importer",
        files={"a": ("a.zip", packed({"a.txt": b"text"}))},
        expect={"contains": "ERROR: The process could not be completed"},
    ),
    row(SI + "&project={p}&prearchive_code=1&overwrite=append", 400, "J Importer"),
    row(SI, 401, "J Importer", "likely", anonymous=True),
    # ---- the session importer, into the archive
    row(
        SI + "&dest=/archive/projects/{p}&triggerPipelines=false",
        200,
        "T TestImport",
        expect={
            "text": "/data/archive/projects/{p}/subjects/Sample_Patient/experiments/Sample_ID\r\n",
            "headers": {"Content-Type": "text/uri-list"},
        },
        after=(("GET", P + "/subjects/Sample_Patient/experiments/Sample_ID", 200),),
    ),
    row(
        SI + "&dest=/archive/projects/{p}/subjects/SI1",
        200,
        "T TestImport",
        after=(("GET", P + "/subjects/SI1/experiments/Sample_ID", 200),),
    ),
    row(
        SI + ONTO,
        200,
        "T TestImport",
        expect={"text": "/data" + ARCHIVED + "\r\n"},
        after=(("GET", NEW, 200), scans(1), files(2)),
    ),
    row(
        "/REST/services/import?inbody=true&import-handler=SI" + ONTO,
        200,
        "J XNATApplication",
        expect={"text": "/data" + ARCHIVED + "\r\n"},
    ),
    Row(
        "POST",
        "/data/services/import?import-handler=SI" + ONTO,
        200,
        "T TestImport",
        files={"file": ("session.zip", TWO)},
        after=(files(2),),
    ),
    Row(
        "POST",
        "/data/services/import",
        200,
        "C xnatctl",
        form={"import-handler": "SI", "dest": ARCHIVED, "overwrite": "append"},
        files={"file": ("session.zip", TWO)},
        after=(files(2),),
        sure="likely",
    ),
    row(SI + ONTO, 200, "J DicomZipImporter", body=tarred("w"), after=(files(2),)),
    row(SI + ONTO, 200, "J DicomZipImporter", body=tarred("w:gz"), after=(files(2),)),
    row(
        SI + ONTO,
        200,
        "J DicomZipImporter",
        body=packed({"inner.zip": TWO}),
        after=(files(2),),
    ),
    row(SI + ONTO, 409, "T TestImport", before=(sent(SI + ONTO),), after=(files(2),)),
    row(
        SI + ONTO + "&overwrite=append",
        409,
        "T TestImport",
        before=(sent(SI + ONTO),),
        after=(
            files(2),
            ("GET", "/data" + PREARCHIVE + "?format=json", 200, {"row": {"status": "CONFLICT"}}),
        ),
    ),
    row(
        SI + ONTO + "&overwrite=append&overwrite_files=true",
        200,
        "T TestImport",
        before=(sent(SI + ONTO),),
        after=(files(2),),
    ),
    row(
        SI + ONTO + "&overwrite=delete",
        200,
        "T TestImport",
        before=(sent(SI + ONTO),),
        after=(files(2), scans(1)),
    ),
    row(
        SI + ONTO + "&overwrite=append",
        200,
        "T TestImport",
        body=OTHER_FILES,
        before=(sent(SI + ONTO),),
        after=(files(4), scans(1)),
    ),
    row(
        SI + ONTO + "&overwrite=append",
        200,
        "T TestImport",
        body=SERIES_2,
        before=(sent(SI + ONTO),),
        after=(files(2), scans(2)),
    ),
    row(
        SI + ONTO + "&overwrite=delete",
        200,
        "T TestImport",
        body=SAME_NUMBER,
        before=(sent(SI + ONTO),),
        after=(
            files(2),
            ("GET", NEW + "/scans/1-MR1/files?format=json", 200, {"count": 1}),
            ("GET", NEW + "/scans?format=json", 200, {"values": {"ID": ["1", "1-MR1"]}}),
        ),
    ),
    row(
        SI + ONTO + "&overwrite=append",
        409,
        "J PrearcSessionArchiver",
        body=OTHER_STUDY,
        before=(sent(SI + ONTO),),
        after=(scans(1),),
    ),
    row(
        SI + ONTO + "&overwrite=delete",
        200,
        "J PrearcSessionArchiver",
        body=OTHER_STUDY,
        before=(sent(SI + ONTO),),
        after=(scans(2),),
    ),
    row(
        SI + ONTO + "&overwrite=delete",
        409,
        "T TestImport",
        before=(("PUT", NEW + "?xsiType=xnat:petSessionData"),),
    ),
    row(
        SI + ONTO,
        409,
        "T TestImport",
        before=(("PUT", NEW + "?xsiType=xnat:petSessionData"),),
    ),
    row(
        SI + ONTO + "&overwrite=append",
        200,
        "T TestImport",
        before=(("PUT", NEW + "?xsiType=xnat:mrSessionData&date=2000-01-01"),),
        after=(
            scans(1),
            ("GET", NEW + "?format=json", 200, {"field": {"date": "2000-01-01"}}),
        ),
    ),
    row(
        SI + "&dest=/archive/projects/{p}/subjects/S1/experiments/MR1&overwrite=append",
        200,
        "J MergePrearcToArchiveSession",
        after=(
            ("GET", "/data/experiments/{e1}/scans?format=json", 200, {"count": 3}),
            (
                "GET",
                "/data/experiments/{e1}/scans/1/resources?format=json",
                200,
                {"values": {"label": ["NIFTI", "DICOM"]}},
            ),
        ),
    ),
    row(
        SI + "&project={p}&subject=SI1&session=SIE1",
        200,
        "T TestImport",
        expect={"text": "/data" + ARCHIVED + "\r\n"},
        after=(files(2),),
    ),
    row(
        SI + "&project={p}&subject=SI1&session=SIE1",
        200,
        "T TestPrearchiveMgmt",
        before=(MANUAL,),
        expect={"contains": "/data" + PREARCHIVE},
        after=(
            ("GET", NEW, 404),
            (
                "GET",
                "/data" + PREARCHIVE + "?format=json",
                200,
                {"row": {"subject": "SI1", "name": "SIE1", "status": "READY"}},
            ),
        ),
    ),
    row(
        SI + "&project={p}&subject=SI1&session=SIE1&AA=true",
        200,
        "J FinishImageUpload",
        before=(MANUAL,),
        expect={"text": "/data" + ARCHIVED + "\r\n"},
    ),
    row(
        SI + "&project={p}&subject=SI1&session=SIE1&auto-archive=false",
        200,
        "J FinishImageUpload",
        expect={"contains": "/data" + PREARCHIVE},
    ),
    row(
        SI + "&project={p}&subject=SI1&session=SIE1&xnat:mrSessionData/note=hello",
        200,
        "J PrearcImporterHelper",
        after=(("GET", NEW + "?format=json", 200, {"field": {"note": "hello"}}),),
    ),
    row(
        SI + "&dest=/archive/projects/{p}",
        400,
        SAYS,
        body=packed({"a.dcm": instance(1), "b.dcm": instance(1, study=2, PatientID="B")}),
    ),
    row(
        SI + "&project={p}&session=SIE1&subject=SI1&http-session-listener=told&action=commit",
        200,
        "T TestImport",
        after=(
            (
                "GET",
                "/data/status/told?format=json",
                200,
                {
                    "json": {
                        "msgs": [
                            [
                                {
                                    "status": "COMPLETED",
                                    "msg": f"Archive:{ARCHIVED}",
                                    "terminal": True,
                                }
                            ]
                        ]
                    }
                },
            ),
        ),
    ),
    Row(
        "GET",
        "/data/status/nosuch?format=json",
        200,
        "J SQListenerRepresentation",
        expect={"json": {"msgs": [[]]}},
    ),
    Row(
        "GET",
        "/data/status/nosuch",
        200,
        "J SQListenerRepresentation",
        expect={"text": "StatusLog"},
    ),
    Row(
        "GET",
        "/data/status/{u}?format=json",
        200,
        "T TestImport.testNonPathBasedImport",
        before=(sent(SI + "&project={p}&subject=SI1&session=SIE1&http-session-listener={u}"),),
        expect={"contains": ['"COMPLETED"', f"Archive:{ARCHIVED}"]},
    ),
    Row("DELETE", "/data/status/nosuch", 200, "J SQListenerRepresentation"),
    Row(
        "DELETE",
        "/data/status/{u}",
        200,
        "J SQListenerRepresentation",
        before=(step("data", "PROCESSING", "half"),),
        after=(("GET", "/data/status/{u}", 200, {"text": "StatusLog"}),),
        sure="likely",
    ),
    Row(
        "DELETE",
        "/REST/status/{u}",
        200,
        "J XNATApplication",
        before=(step("REST", "FAILED", "whole"),),
        after=(("GET", "/data/status/{u}", 200, {"text": "StatusLog"}),),
        sure="likely",
    ),
    Row(
        "POST",
        "/data/status/{u}",
        200,
        "J SQListenerRepresentation",
        form={"status": "COMPLETED", "message": "done"},
        before=(step("data", "PROCESSING", "half"),),
        after=(
            (
                "GET",
                "/data/status/{u}?format=json",
                200,
                {
                    "json": {
                        "msgs": [
                            [
                                {"status": "PROCESSING", "msg": "half", "terminal": False},
                                {"status": "COMPLETED", "msg": "done", "terminal": True},
                            ]
                        ]
                    }
                },
            ),
        ),
    ),
    Row(
        "POST",
        "/data/status/mine",
        200,
        "J SQListenerRepresentation",
        form={"status": "PROCESSING", "message": "half"},
        after=(("GET", "/data/status/mine", 200, {"contains": "half"}),),
    ),
    Row(
        "POST",
        "/data/status/mine",
        500,
        "J SQListenerRepresentation",
        form={"status": "DANCING", "message": "half"},
    ),
    Row(
        "POST",
        "/data/services/import?import-handler=SI&src=/user/cache/resources/{p}/files/t.zip" + ONTO,
        200,
        "T TestImport",
        before=(("PUT", "/data/user/cache/resources/{p}/files/t.zip?inbody=true", TWO),),
        after=(files(2), ("DELETE", "/data/user/cache/resources/{p}", 200)),
    ),
    Row(
        "POST",
        "/data/services/import?src=/user/cache/resources/{p}/files/no.zip",
        404,
        "J Importer",
    ),
    Row("POST", "/data/services/import?src=/nowhere/else.zip", 400, "J Importer"),
    # ---- into the prearchive
    row(
        SI + f"&dest={PREARCHIVE}",
        200,
        "T TestPrearchiveMgmt",
        expect={"contains": "/data" + PREARCHIVE + "/"},
        after=(
            (
                "GET",
                "/data" + PREARCHIVE + "?format=json",
                200,
                {"row": {"name": "Sample_ID", "subject": "Sample_Patient", "status": "READY"}},
            ),
        ),
    ),
    row(
        SI + f"&dest={WAIT}&subject=SI1&session=SIE1",
        200,
        "T TestPrearchiveMgmt",
        expect={"text": "/data" + WAIT + "\r\n"},
        after=(
            (
                "GET",
                "/data" + WAIT + "?format=json",
                200,
                {"row": {"name": "SIE1", "subject": "SI1", "folderName": "WAIT"}},
            ),
        ),
    ),
    row(
        SI + "&dest=/prearchive/projects/{p}/nostamp/WAIT", 400, "J PrearcImporterHelper", "likely"
    ),
    row(SI + f"&dest={WAIT}", 409, "J MergeSessionsA", before=(sent(SI + f"&dest={WAIT}"),)),
    row(
        SI + f"&dest={WAIT}&overwrite=append",
        200,
        "T TestImport",
        body=SERIES_2,
        before=(sent(SI + f"&dest={WAIT}&overwrite=append", study(1)),),
        after=(
            (
                "GET",
                "/data" + WAIT + "/scans/1/resources/DICOM/files/000000.dcm",
                200,
                {"content": instance(0)},
            ),
            (
                "GET",
                "/data" + WAIT + "/scans/2/resources/DICOM/files/000000.dcm",
                200,
                {"content": instance(0, series=2)},
            ),
        ),
    ),
    row(
        SI + f"&dest={WAIT}&overwrite=append",
        200,
        "T TestImport",
        body=OTHER_STUDY,
        before=(sent(SI + f"&dest={WAIT}&overwrite=append"),),
        after=(("GET", "/data" + WAIT + "/scans?format=json", 200, {"count": 2}),),
    ),
    row(
        ZIP + f"&dest={WAIT}&overwrite=append",
        400,
        "T TestImport",
        body=OTHER_STUDY,
        before=(sent(ZIP + f"&dest={WAIT}&overwrite=append"),),
        after=(("GET", "/data" + WAIT + "/scans?format=json", 200, {"count": 1}),),
    ),
    # ---- file by file
    row(
        ZIP + f"&dest={PREARCHIVE}",
        200,
        "T TestImport",
        body=SERIES_2,
        before=(sent(ZIP + f"&dest={PREARCHIVE}"),),
        after=(("GET", "/data" + PREARCHIVE + "?format=json", 200, {"row": {"status": "READY"}}),),
    ),
    row(
        ZIP + "&project={p}",
        200,
        "J GradualDicomImporter",
        after=(
            (
                "GET",
                "/data" + PREARCHIVE + "?format=json",
                200,
                {"row": {"status": "RECEIVING", "autoarchive": "AutoArchive"}},
            ),
        ),
    ),
    row(
        ZIP + "&PROJECT_ID={p}&SUBJECT_ID=SI1&EXPT_LABEL=SIE1&action=commit",
        200,
        "J DicomZipImporter",
        expect={"contains": "/SIE1\r\n"},
        after=(
            (
                "GET",
                "/data" + PREARCHIVE + "?format=json",
                200,
                {"row": {"status": "READY", "subject": "SI1"}},
            ),
        ),
    ),
    row(ZIP + ONTO, 200, "T TestImport", expect={"text": "/data" + ARCHIVED + "\r\n"}),
    row(IMPORT + ONTO, 200, "T TestImport", after=(files(2),)),
    row(IMPORT + ONTO, 400, "T TestImport", before=(sent(IMPORT + ONTO),), after=(files(2),)),
    row(
        ZIP + ONTO + "&overwrite=append&overwrite_files=true",
        200,
        "T TestImport",
        before=(sent(ZIP + ONTO),),
        after=(files(2),),
    ),
    row(
        ZIP + "&project={p}",
        400,
        "T TestImport",
        body=WITH_TEXT,
        expect={"contains": "unable to read DICOM object text.dcm"},
    ),
    row(ZIP + "&project={p}&Ignore-Unparsable=false", 400, "T TestImport", body=WITH_TEXT),
    row(
        ZIP + "&project={p}&Ignore-Unparsable=true",
        200,
        "T TestImport",
        body=WITH_TEXT,
        expect={"contains": "/data" + PREARCHIVE},
    ),
    row(
        GRADUAL + f"&dest={PREARCHIVE}",
        200,
        "T TestPrearchiveMgmt",
        body=instance(),
        expect={"contains": "/data" + PREARCHIVE},
    ),
    Row(
        "POST",
        IMPORT + f"&dest={WAIT}",
        200,
        "J Importer",
        body=instance(),
        headers={"Content-Type": "application/dicom"},
        expect={"text": "/data" + WAIT + "\r\n"},
    ),
    row(GRADUAL + "&project={p}", 400, "J GradualDicomImporter", body=b"no DICOM"),
    # ---- people
    row(
        SI + ONTO,
        403,
        "J PrearcUtils",
        "likely",
        account="collaborator",
        after=(("GET", NEW, 404),),
    ),
    row(SI + ONTO, 403, "J PrearcUtils", "likely", account="stranger", after=(("GET", NEW, 404),)),
    row(SI + ONTO, 200, "J PrearcUtils", account="member", after=(("GET", NEW, 200),)),
    row(
        ZIP + "&project={p}",
        200,
        "J GradualDicomImporter",
        account="collaborator",
        expect={"contains": "/data/prearchive/projects/Unassigned/"},
    ),
    # ---- what is read in the headers
    row(
        SI + ONTO,
        200,
        "T TestDicomDataExtraction",
        after=(
            (
                "GET",
                NEW + "?format=json",
                200,
                {
                    "field": {
                        "date": "2014-05-07",
                        "time": "09:12:06",
                        "modality": "MR",
                        "session_type": "head",
                        "scanner": "MEDPC",
                        "scanner/manufacturer": "SIEMENS",
                        "scanner/model": "TrioTim",
                        "dcmPatientName": "Sample^Patient",
                        "dcmPatientId": "Sample ID",
                        "dcmPatientBirthDate": "1975-01-31",
                        "dcmAccessionNumber": "A1",
                    }
                },
            ),
        ),
    ),
    row(
        SI + ONTO,
        200,
        "T TestDicomDataExtraction",
        after=(
            (
                "GET",
                NEW + "/scans/1?format=json",
                200,
                {
                    "field": {
                        "type": "t1_mpr_1",
                        "series_description": "t1_mpr_1",
                        "quality": "usable",
                        "frames": 2,
                        "startTime": "09:37:11",
                        "fieldStrength": "3",
                        "parameters/tr": 2400.0,
                        "parameters/te": 3.08,
                        "parameters/flip": 8,
                        "parameters/voxelRes/x": 1.5,
                        "parameters/voxelRes/y": 1.0,
                        "parameters/voxelRes/z": 2.0,
                        "parameters/fov/x": 3,
                        "parameters/orientation": "Sag",
                        "parameters/imageType": "ORIGINAL\\PRIMARY",
                    }
                },
            ),
        ),
    ),
    row(
        SI + ONTO,
        200,
        "T TestDicomModalityAssignment",
        body=PET,
        after=(
            ("GET", NEW + "?format=xml", 200, {"contains": "<xnat:PETSession"}),
            ("GET", NEW + "/scans?format=json", 200, {"row": {"xsiType": "xnat:petScanData"}}),
        ),
    ),
    row(
        SI + ONTO,
        200,
        "T TestDicomModalityAssignment",
        body=study(1, Modality=None),
        after=(("GET", NEW + "?format=xml", 200, {"contains": "<xnat:MRSession"}),),
    ),
    row(
        SI + ONTO,
        200,
        "T TestDicomModalityAssignment",
        body=study(2, Modality="CT", sop_class="1.2.840.10008.5.1.4.1.1.7"),
        after=(
            ("GET", NEW + "?format=xml", 200, {"contains": "<xnat:CTSession"}),
            ("GET", NEW + "/scans?format=json", 200, {"row": {"xsiType": "xnat:scScanData"}}),
            (
                "GET",
                NEW + "/scans/1/resources?format=json",
                200,
                {"row": {"label": "secondary", "format": "DICOM"}},
            ),
        ),
    ),
    row(
        SI + ONTO,
        200,
        "T TestArchive",
        after=(
            (
                "GET",
                NEW + "/scans/1/resources?format=json",
                200,
                {
                    "row": {
                        "label": "DICOM",
                        "format": "DICOM",
                        "content": "RAW",
                        "file_count": "2",
                    }
                },
            ),
            (
                "GET",
                NEW + "/scans/1/resources/DICOM/files/000001.dcm",
                200,
                {"content": instance(1)},
            ),
        ),
    ),
]

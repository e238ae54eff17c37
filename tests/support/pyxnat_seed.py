"""What pyxnat's test suite expects to find on its servers, put into an archive over REST."""

import io
import zipfile

# what XNAT's project page makes of a project's data types
PROTOCOL = """<xnat:Project ID="pyxnat_tests" xmlns:xnat="http://nrg.wustl.edu/xnat"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <xnat:studyProtocol ID="pyxnat_tests_subjectData" name="Subjects" data-type="xnat:subjectData"
      xsi:type="xnat:datatypeProtocol"/>
</xnat:Project>"""


def seed(fill):
    """Fill an archive."""
    development(fill)
    central(fill)
    docker(fill)


def development(fill):
    """Fill in what is on the server of ``.devxnat.cfg``."""
    fill.put(
        "/data/projects/pyxnat_tests",
        name="pyxnat tests",
        description="pyxnat CI tests",
        alias="pyxnat",
    )
    fill.put("/data/projects/pyxnat_tests/accessibility/private")
    kind = {"Content-Type": "text/xml"}
    fill.call("PUT", "/data/projects/pyxnat_tests", data=PROTOCOL, headers=kind)
    fill.put("/data/projects/pyxnat_tests2")
    base = "/data/projects/pyxnat_tests/subjects"
    sessions = [
        ("001", "BBRCDEV_S02627", "001_obscured", "BBRCDEV_E03106", "mr"),
        ("001", "BBRCDEV_S02627", "001_PET", "BBRCDEV_E03105", "pet"),
        ("002", "BBRCDEV_S02628", "002_MR", "BBRCDEV_E03099", "mr"),
        ("003", "BBRCDEV_S02629", "003_CT", "BBRCDEV_E03094", "ct"),
    ]
    for subject, subject_id, label, number, kind in sessions:
        fill.put(f"{base}/{subject}", ID=subject_id, gender="unknown")
        session = f"{base}/{subject}/experiments/{label}"
        fill.put(session, xsiType=f"xnat:{kind}SessionData", ID=number, date="2024-01-22")
        for scan in ("1", "11"):
            values = {"type": "SPGR", "frames": "175", "quality": "usable"}
            fill.put(f"{session}/scans/{scan}", xsiType=f"xnat:{kind}ScanData", **values)
            fill.file(f"{session}/scans/{scan}/resources/NIFTI/files/{label}.nii.gz", b"image")
    resource = f"{base}/001/experiments/001_obscured/resources/obscure_algorithm_output"
    fill.file(f"{resource}/files/out.txt", b"0")
    table = b"region,side,volume\nCA1,left,1287.675\n"
    fill.file(f"{base}/003/experiments/003_CT/resources/ASHS/files/volumes.csv", table)
    staged(fill)


def staged(fill):
    """Leave a session in the prearchive, as a scanner would."""
    # made of DICOM by whoever has the prearchive under test


def central(fill):
    """Fill in what is on the server of ``.central.cfg``."""
    fill.put("/data/projects/OASIS3")
    for name, count in (("ixi", 3), ("cs_schizbull08", 2)):
        fill.put(f"/data/projects/{name}")
        for number in range(count):
            base = f"/data/projects/{name}/subjects/{name}_{number}"
            fill.put(base, gender="female")
    for number in ("xnat_E02579", "xnat_E02580"):
        base = f"/data/projects/cs_schizbull08/subjects/cs_schizbull08_0/experiments/{number}"
        fill.put(base, xsiType="xnat:mrSessionData", ID=number)
        fill.put(f"{base}/scans/anat", xsiType="xnat:mrScanData", type="anat")
    session = "/data/projects/cs_schizbull08/subjects/cs_schizbull08_0/experiments/xnat_E02579"
    fill.put(f"{session}/assessors/QC1", xsiType="xnat:qcAssessmentData", ID="xnat_E02580Q")


def docker(fill):
    """Fill in what the suite's Docker image holds after its setup."""
    fill.put("/data/projects/nosetests", alias="nosetests2")
    for number in range(3, 10):
        fill.put(f"/data/projects/nosetests{number}")


def zipped(**members):
    """Return a zip of texts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return target.getvalue()

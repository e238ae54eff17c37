"""What pyxnat's test suite expects to find on its servers, put into an archive over REST."""

from support.dicom_files import study

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
    waiting = "/prearchive/projects/pyxnat_tests/20240122_173812916/sub-001_ses-01"
    fill.call(
        "POST",
        "/data/services/import",
        params={"inbody": "true", "import-handler": "SI", "dest": waiting},
        data=study(1),
        headers={"Content-Type": "application/zip"},
    )


def central(fill):
    """Fill in what is on the server of ``.central.cfg``, which nobody has to log in to."""
    for name in ("OASIS3", "ixi", "cs_schizbull08", "ABIDE"):
        fill.put(f"/data/projects/{name}")
        access = "protected" if name == "ABIDE" else "public"
        fill.put(f"/data/projects/{name}/accessibility/{access}")
    # as many as array_test counts
    for number in range(584):
        fill.put(f"/data/projects/ixi/subjects/ixi_{number:03}", gender="female")
    fill.session("ixi", "ixi_000", "ixi_000_MR", {"1": ("T1", {})})
    subjects = "/data/projects/cs_schizbull08/subjects"
    for number in ("xnat_S02582", "xnat_S02583", "xnat_S02636"):
        fill.put(f"{subjects}/{number}_label", ID=number)
    voxels = {f"parameters/voxelRes/{axis}": "0.9375" for axis in "xyz"}
    for subject, session, scan in (
        ("xnat_S02582", "xnat_E02579", "anat"),
        ("xnat_S02583", "NITRC_IR_E10539", "1"),
        ("xnat_S02636", "xnat_E02685", "1"),
    ):
        base = f"{subjects}/{subject}_label/experiments/{session}_label"
        fill.put(base, xsiType="xnat:mrSessionData", ID=session)
        values = {f"xnat:mrScanData/{path}": value for path, value in voxels.items()}
        fill.put(f"{base}/scans/{scan}", xsiType="xnat:mrScanData", type="anat", **values)
    base = f"{subjects}/xnat_S02583_label/experiments/NITRC_IR_E10539_label"
    fill.put(f"{base}/scans/2", xsiType="xnat:otherDicomScanData", type="localizer")
    base = f"{subjects}/xnat_S02582_label/experiments/xnat_E02579_label"
    fill.put(f"{base}/assessors/QC1", xsiType="xnat:qcAssessmentData", ID="xnat_E02580")


def docker(fill):
    """Fill in what the suite's Docker image holds after its setup."""
    fill.call("PUT", "/xapi/users/admin", json={"email": "fake@fake.fake"})
    fill.put("/data/projects/nosetests", alias="nosetests2")
    for number in range(3, 10):
        fill.put(f"/data/projects/nosetests{number}")

"""The example workflows, as users start them."""

from __future__ import annotations

from support.clusters.ground import Ground
from support.demo_site import RECON_ALL


class ExampleLaw(Ground):
    """Both examples."""

    def test_the_sibling_example(self, site, cluster):
        site.put_program("recon-all", RECON_ALL)
        words = ["--plugin", self.plain, "--criteria", "xnat:mrSessionData/AGE > 91"]
        code, said = self.example(site, "recon_all_cohort", *words)
        assert code == 0, said
        assert "4 files compared byte for byte" in said
        assert site.computed() == ["DEMO008_MR1"]

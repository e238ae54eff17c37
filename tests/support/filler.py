"""A hand to fill archives, independent of the client under test."""

import requests


class Filler:
    """Fills an archive by plain REST calls, independent of the client under test."""

    def __init__(self, url, user="admin", password="admin"):
        self.url = url
        self.http = requests.Session()
        self.http.headers["User-Agent"] = "filler"
        # to look for proxies takes longer than a small answer
        self.http.trust_env = False
        self.http.post(url + "/data/JSESSION", auth=(user, password)).raise_for_status()

    def call(self, method, path, **options):
        answer = self.http.request(method, self.url + path, **options)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text[:300])
        return answer

    def put(self, path, **params):
        return self.call("PUT", path, params=params).text

    def file(self, path, data, **params):
        params = {"inbody": "true", **params}
        kind = {"Content-Type": "application/octet-stream"}
        self.call("PUT", path, params=params, data=data, headers=kind)

    def session(self, project, subject, label, scans=(), **params):
        """Make a session with scans: ``{id: (type, {resource: {path: bytes}})}``."""
        base = f"/data/projects/{project}/subjects/{subject}/experiments/{label}"
        self.put(base, **{"xsiType": "xnat:mrSessionData", **params})
        for number, (kind, resources) in dict(scans).items():
            self.put(f"{base}/scans/{number}", xsiType="xnat:mrScanData", type=kind)
            for resource, files in resources.items():
                for path, data in files.items():
                    self.file(f"{base}/scans/{number}/resources/{resource}/files/{path}", data)
        return base

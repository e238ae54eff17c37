"""``nipype-xnat serve``: run a local archive."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import signal
import sys
import threading
from pathlib import Path

NAME = "serve"
HELP = "run a local XNAT archive that keeps everything in one folder"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--root", type=Path, required=True, help="the folder of the archive")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--seed",
        metavar="PATH",
        help="fill the archive from a JSON description or a folder of files; "
        "'demo' makes a cohort with images",
    )
    parser.add_argument(
        "--datatypes",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file with data types of the site's own, XSD or JSON (may be given several times)",
    )
    parser.add_argument("--context", default="", help="path before /data, such as /xnat")
    parser.add_argument(
        "--read-only", action="store_true", help="serve a closed archive, writing nothing"
    )
    parser.add_argument(
        "--no-checksums",
        action="store_true",
        help="keep no digests of what is stored, as some sites do: for tests of clients",
    )
    parser.add_argument(
        "--refuse-comma-lists",
        action="store_true",
        help="refuse lists in addresses with 400, as some proxies do: for tests of clients",
    )
    parser.add_argument("--certificate", type=Path, help="certificate file, for TLS")
    parser.add_argument("--key", type=Path, help="key file of the certificate")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from nipype_xnat.archive import Archive, Site
    from nipype_xnat.archive.errors import Invalid, Refused

    if bool(args.certificate) != bool(args.key):
        print("--certificate and --key belong together", file=sys.stderr)
        return 2
    if not 0 <= args.port <= 65535:
        print(f"--port {args.port} is no port: 0 (a free one) to 65535", file=sys.stderr)
        return 2
    try:
        site = Site(
            context=args.context.rstrip("/"),
            datatypes=tuple(args.datatypes),
            checksums=not args.no_checksums,
            refuse_comma_lists=args.refuse_comma_lists,
        )
        archive = Archive(args.root, site, read_only=args.read_only)
    except (Invalid, Refused, OSError) as problem:
        print(f"cannot open an archive in {args.root}: {problem}", file=sys.stderr)
        return 1
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with archive:
        if not _loopback(args.host) and archive.default_password():
            print(
                f"refusing to serve on {args.host} while the password of admin is the default",
                file=sys.stderr,
            )
            return 1
        certificate = (str(args.certificate), str(args.key)) if args.certificate else None
        if args.seed and args.seed != "demo":
            try:
                archive.seed(args.seed)
            except Invalid as problem:
                print(f"cannot seed from {args.seed}: {problem}", file=sys.stderr)
                return 1
        with contextlib.ExitStack() as stack:
            try:
                url = stack.enter_context(
                    archive.running(args.port, args.host, certificate=certificate)
                )
            except OSError as problem:
                tls = f" with {args.certificate} and {args.key}" if certificate else ""
                where = f"{args.host} port {args.port}{tls}"
                print(f"cannot serve on {where}: {problem}", file=sys.stderr)
                return 1
            if args.seed == "demo":
                from nipype_xnat.demo.seed import seed  # images and what makes them: an extra

                print("making the demo's cohort, once: about a minute", file=sys.stderr, flush=True)
                seed(url, site.admin, site.password)
            known = site.password if archive.default_password() else "(as set)"
            print(f"XNAT archive ready at {url}/ user {site.admin} password {known}", flush=True)
            stopped.wait()
    return 0

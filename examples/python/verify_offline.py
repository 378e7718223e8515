#!/usr/bin/env python3
"""Verifies permits without a gate: what a service does that has the root's public key and the manifest, and nobody to ask.

Each line that is read is a permit in base64; each line that is written says what became of it.
Exit codes: 0 all of them hold for exactly this action, 1 one does not, or the manifest is not trusted.
"""

import argparse
import base64
import json
import sys
import time
from pathlib import Path

from kavach_permit import HYBRID, PQ_ONLY, Failure, NotTrusted, PermitVerifier, open_manifest, read_public_file

HOLDS, FAILS = 0, 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("permits", type=argparse.FileType("r"), nargs="?", default=sys.stdin, help="default: standard input")
    parser.add_argument("--root", type=Path, required=True, help="the root's public key file")
    parser.add_argument("--manifest", type=Path, required=True, help="the signed list of keys, from whoever serves it")
    parser.add_argument("--version-min", type=int, default=0, help="the highest version of a manifest that was seen before")
    parser.add_argument("--suite", choices=[HYBRID, PQ_ONLY], default=HYBRID, help="the one suite that permits are signed in")
    parser.add_argument("--realm", default="default")
    parser.add_argument("--principal", required=True, help="who is about to act, as this service has authenticated them")
    parser.add_argument("--action", required=True, help="what is about to be done")
    parser.add_argument("--resource", default="", help="what it is done to")
    parser.add_argument("--params", type=json.loads, default={}, help="the action's params, a JSON object")
    parser.add_argument("--audience", default="", help="who this service is, where permits are made out to somebody")
    parser.add_argument("--now-ms", type=int, default=None, help="Unix milliseconds; default: this machine's clock")
    return parser.parse_args()


def read_line(line):
    try:
        return base64.b64decode(line.strip(), validate=True)
    except ValueError:
        raise Failure("MALFORMED") from None


def main():
    args = arguments()
    now_ms = time.time_ns() // 1_000_000 if args.now_ms is None else args.now_ms
    try:
        root = read_public_file(args.root.read_bytes())
        _version, keys = open_manifest(args.manifest.read_bytes(), root, now_ms, version_min=args.version_min)
    except (NotTrusted, ValueError, KeyError, TypeError) as error:
        print(f"no keys: {error}")
        return FAILS
    expected = {name: getattr(args, name) for name in ("realm", "principal", "action", "resource", "params", "audience")}
    verifier = PermitVerifier(keys, args.suite)
    outcome = HOLDS
    for line in args.permits:
        try:
            claims = verifier.verify(read_line(line), expected, now_ms)
            print(f"holds: {claims['principal_id']} may {claims['action']}, signed by key {claims['key_id']}")
        except Failure as failure:
            print(f"does not hold: {failure}")
            outcome = FAILS
    return outcome


if __name__ == "__main__":
    sys.exit(main())

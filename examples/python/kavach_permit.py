"""Verifies permits and manifests without asking a gate, written from docs/security/permits.md alone: no code of Kavach is in it."""

import base64
import json
import struct
from collections import namedtuple
from datetime import datetime
from hashlib import sha256

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

HYBRID, PQ_ONLY = "ml-dsa-65+ed25519", "ml-dsa-65"
PERMIT_TAG, MANIFEST_TAG = b"kavach-permit-v2", b"kavach-manifest-v2"
TOKEN_BYTES_MAX = 64 * 1024
SKEW_MS = 2000
LIFE_MS_MAX = 300_000
COUNT_MAX = 2**53 - 1
ENFORCE, OBSERVE = 1, 2

Keys = namedtuple("Keys", "ml_dsa ed25519 expires_at_ms")


class Failure(Exception):
    """Why a permit does not hold; the text is the failure's name."""


class NotTrusted(Exception):
    """Why a manifest does not count."""


def frame(*fields):
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


# --- Canonical protobuf -------------------------------------------------------------------------------------------------------

TEXT, BYTES, NUMBER, MESSAGE = "text", "bytes", "number", "message"
REVISION = {1: ("generation", NUMBER), 2: ("number", NUMBER)}
CLAIMS = {
    1: ("version", NUMBER), 2: ("realm", TEXT), 3: ("token_id", BYTES), 4: ("evaluation_id", BYTES), 5: ("principal_id", TEXT),
    6: ("principal_kind", NUMBER), 7: ("roles", [TEXT]), 8: ("session_id", TEXT), 9: ("action", TEXT), 10: ("resource", TEXT),
    11: ("params_digest", BYTES), 12: ("audience", [TEXT]), 13: ("policy_digest", BYTES), 14: ("revision", MESSAGE),
    15: ("issued_at_ms", NUMBER), 16: ("not_before_ms", NUMBER), 17: ("expires_at_ms", NUMBER), 18: ("single_use", NUMBER),
    19: ("mode", NUMBER), 20: ("suite", TEXT), 21: ("key_id", TEXT),
}  # fmt: skip
HEAD = {
    1: ("suite", TEXT), 2: ("key_id", TEXT), 3: ("size", NUMBER), 4: ("root", BYTES), 5: ("ml_dsa_signature", BYTES),
    6: ("ed25519_signature", BYTES),
}  # fmt: skip
PERMIT = {1: ("claims", BYTES), 2: ("index", NUMBER), 3: ("path", [BYTES]), 4: ("head", MESSAGE)}
EMPTY = {TEXT: "", BYTES: b"", NUMBER: 0, MESSAGE: None}


def varint(data, at):
    """A number and where it ends. Refuses all but the shortest spelling, and more than 64 bits."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Failure("MALFORMED")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if (byte == 0 and shift > 7) or value >= 2**64:
        raise Failure("MALFORMED")
    return value, at


def decode(data, fields):
    """The members of a message. Refuses whatever is not its one canonical encoding."""
    values = {name: [] if isinstance(kind, list) else EMPTY[kind] for name, kind in fields.values()}
    at = last = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        name, kind = fields.get(number, (None, None))
        repeated = isinstance(kind, list)
        kind = kind[0] if repeated else kind
        # In order of number, known, of the right type, and only what is repeated more than once.
        if name is None or wire_type != (0 if kind == NUMBER else 2) or number < last or (number == last and not repeated):
            raise Failure("MALFORMED")
        last = number
        value, at = varint(data, at)
        if kind != NUMBER:
            if value > len(data) - at:
                raise Failure("MALFORMED")
            value, at = data[at : at + value], at + value
        if kind == TEXT:
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError:
                raise Failure("MALFORMED") from None
        if repeated:
            values[name].append(value)
        elif value == EMPTY[kind]:
            raise Failure("MALFORMED")  # A default value is left out.
        else:
            values[name] = value
    return values


# --- Keys ---------------------------------------------------------------------------------------------------------------------


def key_id(suite, ml_dsa, ed25519):
    keys = (ml_dsa, ed25519) if suite == HYBRID else (ml_dsa,)
    return sha256(frame(suite.encode(), *keys)).hexdigest()[:32]


def keys_of(bundle):
    """From a bundle's JSON object."""
    ml_dsa, ed25519 = bytes(bundle["ml_dsa_verifying_key"]), bytes(bundle["ed25519_verifying_key"])
    if (len(ml_dsa), len(ed25519)) != (1952, 32):
        raise NotTrusted("a key of a wrong length")
    expires_at = bundle.get("expires_at")
    return Keys(ml_dsa, ed25519, float("inf") if expires_at is None else instant_ms(expires_at))


def instant_ms(text):
    """Unix milliseconds of an RFC 3339 instant, rounded down."""
    at = datetime.fromisoformat(text[:19] + "+00:00")
    fraction, zone = text[19:-1], text[-1]
    if zone != "Z" or (fraction and not (fraction[0] == "." and fraction[1:].isdigit())):
        raise NotTrusted("an instant that is not in UTC")
    return int(at.timestamp()) * 1000 + int((fraction[1:] + "000")[:3])


def read_public_file(data):
    """The keys of a public key file: `KVPB`, byte 01, JSON."""
    if data[:5] != b"KVPB\x01":
        raise NotTrusted("no public key file")
    return keys_of(json.loads(data[5:]))


def signatures_verify(suite, tag, body, keys, ml_dsa_signature, ed25519_signature):
    message = tag + struct.pack(">I", len(body)) + body
    try:
        if suite == HYBRID:
            Ed25519PublicKey.from_public_bytes(keys.ed25519).verify(ed25519_signature, message)
        elif ed25519_signature:
            return False
        MLDSA65PublicKey.from_public_bytes(keys.ml_dsa).verify(ml_dsa_signature, message, context=tag)
        return True
    except (InvalidSignature, ValueError):
        return False


def canonical_base64(text):
    """Of one spelling only: the signatures are the one part of a manifest that nothing signs."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise NotTrusted("not canonical base64")
    return data


def open_manifest(data, root, now_ms, suite=HYBRID, version_min=0):
    """Version and keys, by key id in the permits' suite, of a manifest that the root vouches for now."""
    manifest = json.loads(data)
    # Canonical, so that no name appears twice and nothing is spelt in two ways.
    if rfc8785.dumps(manifest) != data or set(manifest) != {"bundles", "expires_at", "format", "signatures", "suite", "version"}:
        raise NotTrusted("not a canonical manifest")
    signatures = manifest.pop("signatures")
    if manifest["format"] != MANIFEST_TAG.decode() or manifest["suite"] != suite or set(signatures) != {"ed25519", "ml_dsa_65"}:
        raise NotTrusted("another format or suite")
    ml_dsa, ed25519 = (canonical_base64(signatures[name]) for name in ("ml_dsa_65", "ed25519"))
    if now_ms >= root.expires_at_ms or not signatures_verify(suite, MANIFEST_TAG, rfc8785.dumps(manifest), root, ml_dsa, ed25519):
        raise NotTrusted("the root does not vouch for it")
    if now_ms >= instant_ms(manifest["expires_at"]):
        raise NotTrusted("it has lapsed")
    if manifest["version"] < version_min:
        raise NotTrusted("a newer one was seen before")
    bundles = [keys_of(bundle) for bundle in manifest["bundles"]]
    by_id = {key_id(one, keys.ml_dsa, keys.ed25519): keys for keys in bundles for one in (HYBRID, PQ_ONLY)}
    if len(by_id) < 2 * len(bundles) or len({bundle["id"] for bundle in manifest["bundles"]}) < len(bundles):
        raise NotTrusted("a key is in it twice")
    return manifest["version"], by_id


# --- Permits ------------------------------------------------------------------------------------------------------------------


def is_text(text, shortest, longest):
    return shortest <= len(text.encode("utf-8")) <= longest


def within_limits(claims):
    """The limits of every claim."""
    revision = claims["revision"]
    times = [claims[name] for name in ("issued_at_ms", "not_before_ms", "expires_at_ms")]
    return (
        claims["version"] == 2
        and all(is_text(claims[name], 1, 256) for name in ("realm", "principal_id", "action"))
        and is_text(claims["session_id"], 0, 256)
        and is_text(claims["resource"], 0, 1024)
        and all(len(claims[name]) == 16 for name in ("token_id", "evaluation_id"))
        and all(len(claims[name]) == 32 for name in ("params_digest", "policy_digest"))
        and 1 <= claims["principal_kind"] <= 5
        and len(claims["roles"]) <= 64
        and len(claims["audience"]) <= 16
        and all(is_text(text, 1, 256) for text in claims["roles"] + claims["audience"])
        and revision is not None
        and all(number <= COUNT_MAX for number in [*revision.values(), *times])
        and times[0] <= times[1] < times[2] <= times[0] + LIFE_MS_MAX
        and claims["single_use"] in (0, 1)
        and claims["mode"] in (ENFORCE, OBSERVE)
    )


def read_permit(token):
    """The permit and its claims, each a dict. Raises Failure `MALFORMED`."""
    if len(token) > TOKEN_BYTES_MAX:
        raise Failure("MALFORMED")
    permit = decode(token, PERMIT)
    if permit["head"] is None:
        raise Failure("MALFORMED")
    head = permit["head"] = decode(permit["head"], HEAD)
    claims = decode(permit["claims"], CLAIMS)
    if claims["revision"] is not None:
        claims["revision"] = decode(claims["revision"], REVISION)
    ed25519_bytes = {HYBRID: 64, PQ_ONLY: 0}.get(head["suite"])
    whole = (
        len(head["root"]) == 32
        and 1 <= head["size"] <= 512
        and permit["index"] < head["size"]
        and len(permit["path"]) <= 9
        and all(len(one) == 32 for one in permit["path"])
        and len(head["key_id"]) == 32
        and all(letter in "0123456789abcdef" for letter in head["key_id"])
        and len(head["ml_dsa_signature"]) == 3309
        and len(head["ed25519_signature"]) == ed25519_bytes
    )
    if not whole or not within_limits(claims):
        raise Failure("MALFORMED")
    return permit, claims


def root_of(leaf, index, size, path):
    """RFC 9162, section 2.1.3.2: where the path leads, or None when it is too long or too short."""
    position, last, node = index, size - 1, sha256(b"\x00" + leaf).digest()
    for sibling in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while position & 1 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        position, last = position >> 1, last >> 1
    return node if last == 0 else None


class PermitVerifier:
    """`keys_by_id`: what is trusted now. Heads that were verified once are remembered, and no more than `heads_max` of them."""

    def __init__(self, keys_by_id, suite=HYBRID, heads_max=4096):
        self.keys_by_id, self.suite, self.heads_max = keys_by_id, suite, heads_max
        self._heads = {}

    def verify(self, token, expected, now_ms, is_revoked=None):
        """The claims. `expected`: realm, principal, action, resource, params, audience. Raises Failure."""
        permit, claims = read_permit(token)
        self._check_signatures(permit, claims, now_ms)
        if now_ms + SKEW_MS < claims["not_before_ms"]:
            raise Failure("NOT_YET_VALID")
        if now_ms - SKEW_MS >= claims["expires_at_ms"]:
            raise Failure("EXPIRED")
        for claim, wanted, failure in (
            ("realm", expected["realm"], "REALM"),
            ("principal_id", expected["principal"], "PRINCIPAL"),
            ("action", expected["action"], "ACTION"),
            ("resource", expected["resource"], "RESOURCE"),
            ("params_digest", sha256(rfc8785.dumps(expected["params"])).digest(), "PARAMS"),
        ):
            if claims[claim] != wanted:
                raise Failure(f"{failure}_MISMATCH")
        audience = expected["audience"]
        if not (audience in claims["audience"] if audience else not claims["audience"]):
            raise Failure("AUDIENCE_MISMATCH")
        if claims["mode"] != ENFORCE:
            raise Failure("OBSERVE_MODE")
        if claims["single_use"]:
            raise Failure("SINGLE_USE")
        if is_revoked is not None and is_revoked(claims):
            raise Failure("REVOKED")
        return claims

    def _check_signatures(self, permit, claims, now_ms):
        head = permit["head"]
        if head["suite"] != self.suite or claims["suite"] != self.suite:
            raise Failure("SUITE_MISMATCH")
        if head["key_id"] != claims["key_id"]:
            raise Failure("SIGNATURE_INVALID")
        keys = self.keys_by_id.get(head["key_id"])
        if keys is None:
            raise Failure("KEY_UNKNOWN")
        if now_ms >= keys.expires_at_ms:
            raise Failure("KEY_EXPIRED")
        if root_of(permit["claims"], permit["index"], head["size"], permit["path"]) != head["root"]:
            raise Failure("SIGNATURE_INVALID")
        body = frame(head["suite"].encode(), head["key_id"].encode(), struct.pack(">I", head["size"]), head["root"])
        signatures = head["ml_dsa_signature"], head["ed25519_signature"]
        seen = sha256(frame(body, *signatures)).digest()
        if seen in self._heads:
            return
        if not signatures_verify(self.suite, PERMIT_TAG, body, keys, *signatures):
            raise Failure("SIGNATURE_INVALID")
        if len(self._heads) >= self.heads_max:
            self._heads.pop(next(iter(self._heads)))
        self._heads[seen] = True

"""Answers for the published Python package kavach-sdk: one JSON request a line on stdin, one JSON answer a line on stdout."""
import base64
import json
import sys
import tempfile

import kavach


def raw(text):
    return base64.b64decode(text)


def text(data):
    return base64.b64encode(bytes(data)).decode()


def keypair(secret):
    return kavach.KavachKeyPair.from_secret_bytes(raw(secret))


def bundle(public):
    return kavach.PublicKeyBundle.from_bytes(raw(public))


def signer(secret, hybrid):
    make = kavach.PqTokenSigner.from_keypair_hybrid if hybrid else kavach.PqTokenSigner.from_keypair_pq_only
    return make(keypair(secret))


def directory(manifest, root):
    file = tempfile.NamedTemporaryFile(delete=False)
    file.write(raw(manifest))
    file.close()
    if root is None:
        return kavach.PublicKeyDirectory.from_file(file.name)
    return kavach.PublicKeyDirectory.from_signed_file(file.name, root_ml_dsa_verifying_key=raw(root))


def chain(secret, hybrid):
    made = kavach.SignedAuditChain(keypair(secret), hybrid=hybrid)
    made.append(kavach.AuditEntry("agent-alice", "issue_refund", "permit", "token=abc"))
    made.append(kavach.AuditEntry("agent-bob", "issue_refund", "refuse", "größe 払い戻し", resource="orders/1", ip="10.0.0.1"))
    return made


def channel(request):
    return kavach.SecureChannel(keypair(request["secret"]), bundle(request["public"]))


COMMANDS = {
    "generate": lambda r: text(kavach.KavachKeyPair.generate().to_secret_bytes()),
    "public": lambda r: text(keypair(r["secret"]).public_keys().to_bytes()),
    "rewrite_secret": lambda r: text(keypair(r["secret"]).to_secret_bytes()),
    "load_key_file": lambda r: text(kavach.KavachKeyPair.load_from_file(r["path"]).to_secret_bytes()),
    "save_key_file": lambda r: keypair(r["secret"]).save_to_file(r["path"]),
    "sign": lambda r: text(signer(r["secret"], r["hybrid"]).sign(kavach.PermitToken(**r["token"]))),
    "verify": lambda r: signer(r["secret"], r["hybrid"]).verify(kavach.PermitToken(**r["token"]), raw(r["signature"])),
    "verify_by_directory": lambda r: kavach.DirectoryTokenVerifier(directory(r["manifest"], r["root"]), hybrid=r["hybrid"]).verify(
        kavach.PermitToken(**r["token"]), raw(r["signature"])
    ),
    "unsigned_manifest": lambda r: text(kavach.PublicKeyDirectory.build_unsigned_manifest([bundle(p) for p in r["publics"]])),
    "signed_manifest": lambda r: text(keypair(r["secret"]).build_signed_manifest([bundle(p) for p in r["publics"]])),
    "chain": lambda r: text(chain(r["secret"], r["hybrid"]).export_jsonl()),
    "verify_chain": lambda r: kavach.SignedAuditChain.verify_jsonl(raw(r["blob"]), bundle(r["public"]), hybrid=r["hybrid"]),
    "send_signed": lambda r: text(channel(r).send_signed(raw(r["data"]), context_id=r["context"], correlation_id="c-1")),
    "receive_signed": lambda r: text(channel(r).receive_signed(raw(r["sealed"]), expected_context_id=r["context"])),
    "send_data": lambda r: text(channel(r).send_data(raw(r["data"]))),
    "receive_data": lambda r: text(channel(r).receive_data(raw(r["sealed"]))),
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": True, "value": COMMANDS[request["command"]](request)}
    except ValueError as error:
        answer = {"ok": False, "error": str(error)}
    print(json.dumps(answer), flush=True)

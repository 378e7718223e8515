#!/usr/bin/env python3
"""Asks a gate whether a principal may issue a refund: one verdict, one line, one exit code.

Exit codes: 0 permit, 1 refuse, 2 invalidate. Only 0 means that the refund may run: a call that failed, a deadline that
passed and a verdict that is not set exit with 1, and so does a crash; a wrong command line exits with 64.
"""

import argparse
import sys
import uuid
from pathlib import Path

import grpc
from google.protobuf.struct_pb2 import Value
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, str(Path(__file__).resolve().parent / "gen"))
from kavach.v1 import context_pb2, evaluate_pb2, gate_service_pb2_grpc, verdict_pb2  # noqa: E402

PERMIT, REFUSE, INVALIDATE, USAGE = 0, 1, 2, 64

# A node that shuts down ends calls with UNAVAILABLE. The second attempt carries the same evaluation id, so it is counted
# against a rate limit once.
RETRY = """{"methodConfig": [{"name": [{"service": "kavach.v1.GateService", "method": "Evaluate"}], "retryPolicy": {
  "maxAttempts": 2, "initialBackoff": "0.020s", "maxBackoff": "0.100s", "backoffMultiplier": 2,
  "retryableStatusCodes": ["UNAVAILABLE"]}}]}"""


class Parser(argparse.ArgumentParser):
    """Exits with a code that is no verdict's."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def arguments():
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1:4600", help="HOST:PORT of a gate-node")
    parser.add_argument("--amount", type=float, required=True, help="how much to refund")
    parser.add_argument("--principal", default="agent-bot", help="id of the agent that asks")
    parser.add_argument("--deadline", type=float, default=1.0, help="seconds to wait for the verdict")
    parser.add_argument("--permit-file", type=Path, help="write the permit here, for verify.py")
    return parser.parse_args()


def refund_request(principal_id, amount):
    return evaluate_pb2.EvaluateRequest(
        evaluation_id=str(uuid.uuid4()),
        context=context_pb2.ActionContext(
            principal=context_pb2.Principal(id=principal_id, kind=context_pb2.PRINCIPAL_KIND_AGENT),
            action=context_pb2.Action(name="issue_refund", params={"amount": Value(number_value=amount)}),
        ),
    )


def evaluate(address, request, deadline):
    options = [("grpc.service_config", RETRY)]
    with grpc.insecure_channel(address, options=options) as channel:
        return gate_service_pb2_grpc.GateServiceStub(channel).Evaluate(request, timeout=deadline)


def why_failed(error):
    """The status of a failed call, and the fields that the gate objects to."""
    fields = []
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else []:
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            fields += [f"{violation.field}: {violation.description}" for violation in bad_request.field_violations]
    return f"{error.code().name}: {'; '.join(fields) or error.details()}"


def refuse_code(number):
    """The code's short name; one that this program was not built with keeps its number."""
    value = verdict_pb2.RefuseCode.DESCRIPTOR.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix("REFUSE_CODE_")


def read_verdict(response):
    """The exit code and what to say. What is not known to be a permit is none."""
    kind = response.WhichOneof("verdict")
    if kind == "permit":
        until = response.permit.expires_at.ToJsonString()
        return PERMIT, f"permit {response.permit.token_id} by policy {response.policy_name}, void from {until}"
    if kind == "refuse":
        refusal = response.refuse
        return REFUSE, f"refuse {refuse_code(refusal.code)} by {refusal.evaluator}: {refusal.reason}"
    if kind == "invalidate":
        scope = response.invalidate.scope
        return INVALIDATE, f"invalidate {scope.WhichOneof('target')} by {scope.evaluator}: {scope.reason}"
    return REFUSE, "not permitted: the answer holds no verdict"


def main():
    args = arguments()
    try:
        response = evaluate(args.address, refund_request(args.principal, args.amount), args.deadline)
    except grpc.RpcError as error:
        print(f"not permitted: {why_failed(error)}")
        return REFUSE
    code, line = read_verdict(response)
    if code == PERMIT and args.permit_file is not None:
        args.permit_file.write_bytes(response.permit.token)
    print(line)
    return code


if __name__ == "__main__":
    sys.exit(main())

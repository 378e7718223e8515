#!/usr/bin/env python3
"""Asks a gate whether a permit covers a refund: what the service that pays does before it pays.

Exit codes: 0 the permit holds for exactly this refund, 1 it does not, or nobody could say.
"""

import argparse
import sys
from pathlib import Path

import grpc
from google.protobuf.struct_pb2 import Value

sys.path.insert(0, str(Path(__file__).resolve().parent / "gen"))
from kavach.v1 import context_pb2, permit_pb2, permit_service_pb2_grpc  # noqa: E402

HOLDS, FAILS = 0, 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1:4600", help="HOST:PORT of a gate-node")
    parser.add_argument("--permit-file", type=Path, required=True, help="the permit that came with the order")
    parser.add_argument("--amount", type=float, required=True, help="how much is about to be refunded")
    parser.add_argument("--principal", default="agent-bot", help="id of the agent that ordered it")
    parser.add_argument("--deadline", type=float, default=1.0, help="seconds to wait for the answer")
    return parser.parse_args()


def refund_expectation(principal_id, amount):
    """What is about to be done, from the verifier's own facts: never from the permit itself."""
    action = context_pb2.Action(name="issue_refund", params={"amount": Value(number_value=amount)})
    return permit_pb2.PermitExpectation(principal_id=principal_id, action=action)


def failure_name(number):
    """The failure's short name; one that this program was not built with keeps its number."""
    value = permit_pb2.PermitFailure.DESCRIPTOR.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix("PERMIT_FAILURE_")


def main():
    args = arguments()
    expected = refund_expectation(args.principal, args.amount)
    request = permit_pb2.VerifyPermitRequest(token=args.permit_file.read_bytes(), expected=expected)
    try:
        with grpc.insecure_channel(args.address) as channel:
            response = permit_service_pb2_grpc.PermitServiceStub(channel).VerifyPermit(request, timeout=args.deadline)
    except grpc.RpcError as error:
        print(f"does not hold: {error.code().name}: {error.details()}")
        return FAILS
    if response.WhichOneof("result") == "claims":
        print(f"holds: {response.claims.principal_id} may {response.claims.action}, signed by key {response.claims.key_id}")
        return HOLDS
    print(f"does not hold: {failure_name(response.failure)}")
    return FAILS


if __name__ == "__main__":
    sys.exit(main())

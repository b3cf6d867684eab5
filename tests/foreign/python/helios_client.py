"""How the tests reach the Helios that runs for them, with stubs generated from its proto files."""

import os
import struct
import uuid

import grpc
from google.rpc import error_details_pb2, status_pb2
from helios.v1 import (
    breaker_service_pb2_grpc,
    flag_service_pb2_grpc,
    module_service_pb2_grpc,
    status_service_pb2_grpc,
    test_service_pb2_grpc,
)

# No call of a test takes longer, so that a server that hangs is a failure.
TIMEOUT = 30

channel = grpc.insecure_channel(
    os.environ["FOREIGN_ADDRESS"],
    # A proxy of the environment is not meant for this machine itself.
    options=[("grpc.enable_http_proxy", 0)],
)
modules = module_service_pb2_grpc.ModuleServiceStub(channel)
flags = flag_service_pb2_grpc.FlagServiceStub(channel)
breakers = breaker_service_pb2_grpc.BreakerServiceStub(channel)
suites = test_service_pb2_grpc.TestServiceStub(channel)
status = status_service_pb2_grpc.StatusServiceStub(channel)


def unique(prefix):
    """A name that no other test uses."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def details(error):
    """The google.rpc.Status behind an error, as gRPC carries it."""
    trailers = {key: value for key, value in error.trailing_metadata()}
    return status_pb2.Status.FromString(trailers["grpc-status-details-bin"])


def find_detail(error, message_type):
    """All details of one type; an error carries others besides."""
    found = []
    for packed in details(error).details:
        detail = message_type()
        if packed.Unpack(detail):
            found.append(detail)
    return found


def error_info(error):
    """Its one ErrorInfo."""
    (info,) = find_detail(error, error_details_pb2.ErrorInfo)
    return info


def bucket(salt, key):
    """The bucket of a key, 0 to 99,999: MurmurHash3 x86 32 (Appleby, 2011) of `salt:key`, scaled down."""
    return murmur3(f"{salt}:{key}".encode()) * 100_000 >> 32


def murmur3(data, seed=0):
    mask = 0xFFFFFFFF

    def rotate(value, by):
        return (value << by | value >> (32 - by)) & mask

    def mix(block):
        return rotate(block * 0xCC9E2D51 & mask, 15) * 0x1B873593 & mask

    value = seed
    whole = len(data) & ~3
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        value = (rotate(value ^ mix(block), 13) * 5 + 0xE6546B64) & mask
    if tail := data[whole:]:
        value ^= mix(int.from_bytes(tail, "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & mask
    value = (value ^ value >> 13) * 0xC2B2AE35 & mask
    return value ^ value >> 16

"""The standard services and messages, against the packages that Python has of them."""

import os
import unittest

import grpc
import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from helios.v1 import breaker_service_pb2, flag_service_pb2
from helios_client import TIMEOUT, channel, error_info

SERVICES = [f"helios.v1.{name}Service" for name in ("Breaker", "Flag", "Module", "Status", "Test")]


class HealthTest(unittest.TestCase):
    health = health_pb2_grpc.HealthStub(channel)

    def test_every_service_serves(self):
        listed = self.health.List(health_pb2.HealthListRequest(), timeout=TIMEOUT).statuses
        self.assertEqual(sorted(listed), ["", *SERVICES])
        for service in listed:
            request = health_pb2.HealthCheckRequest(service=service)
            self.assertEqual(self.health.Check(request, timeout=TIMEOUT).status, health_pb2.HealthCheckResponse.SERVING)
            watch = self.health.Watch(request, timeout=TIMEOUT)
            self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.SERVING)
            watch.cancel()

    def test_another_service_is_not_known(self):
        request = health_pb2.HealthCheckRequest(service="helios.v1.NoService")
        with self.assertRaises(grpc.RpcError) as raised:
            self.health.Check(request, timeout=TIMEOUT)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(error_info(raised.exception).reason, "SERVICE_NOT_FOUND")
        watch = self.health.Watch(request, timeout=TIMEOUT)
        self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
        watch.cancel()


class ReflectionTest(unittest.TestCase):
    def setUp(self):
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def test_every_service_can_be_built_from_it(self):
        self.assertLessEqual(set(SERVICES), set(self.database.get_services()))
        reflected = self.pool.FindServiceByName("helios.v1.FlagService")
        generated = flag_service_pb2.DESCRIPTOR.services_by_name["FlagService"]
        self.assertEqual([each.name for each in reflected.methods], [each.name for each in generated.methods])

    def test_the_rules_of_a_field_can_be_read_from_it(self):
        rules = self.pool.FindExtensionByName("buf.validate.field")
        self.assertEqual((rules.containing_type.full_name, rules.number), ("google.protobuf.FieldOptions", 1159))
        self.assertEqual(self.pool.FindExtensionByNumber(rules.containing_type, 1159).full_name, "buf.validate.field")


class SubsetTest(unittest.TestCase):
    """The protos of others that we wrote as far as we need them mean what the originals mean."""

    ORIGINALS = {
        "google/rpc/error_details.proto": error_details_pb2,
        "google/rpc/status.proto": status_pb2,
        "grpc/health/v1/health.proto": health_pb2,
        "grpc/reflection/v1alpha/reflection.proto": reflection_pb2,
    }

    def setUp(self):
        with open(os.environ["FOREIGN_IMAGE"], "rb") as image:
            files = descriptor_pb2.FileDescriptorSet.FromString(image.read()).file
        self.ours = {file.name: file for file in files}

    def test_messages_and_services_are_those_of_the_originals(self):
        for name, original in self.ORIGINALS.items():
            with self.subTest(name):
                theirs = descriptor_pb2.FileDescriptorProto.FromString(original.DESCRIPTOR.serialized_pb)
                self.compare(self.ours[name], theirs)

    def test_the_two_versions_of_reflection_differ_in_their_package_alone(self):
        version1 = self.ours["grpc/reflection/v1/reflection.proto"]
        alpha = self.ours["grpc/reflection/v1alpha/reflection.proto"]
        self.assertEqual(len(version1.message_type), len(alpha.message_type))
        self.compare(version1, alpha, rename=("grpc.reflection.v1alpha.", "grpc.reflection.v1."))

    def compare(self, ours, theirs, rename=("", "")):
        def renamed(name):
            return name.replace(*rename) if rename[0] else name

        def fields(message):
            return {
                field.name: (field.number, field.type, field.label, renamed(field.type_name))
                for field in message.field
            }

        def compare_messages(own, original):
            originals = {message.name: message for message in original}
            for message in own:
                self.assertLessEqual(fields(message).items(), fields(originals[message.name]).items())
                compare_messages(message.nested_type, originals[message.name].nested_type)
                compare_enums(message.enum_type, originals[message.name].enum_type)

        def compare_enums(own, original):
            originals = {enum.name: enum for enum in original}
            for enum in own:
                values = {value.name: value.number for value in enum.value}
                self.assertEqual(values, {value.name: value.number for value in originals[enum.name].value})

        def methods(file):
            return {
                (service.name, method.name): (
                    renamed(method.input_type),
                    renamed(method.output_type),
                    method.client_streaming,
                    method.server_streaming,
                )
                for service in file.service
                for method in service.method
            }

        compare_messages(ours.message_type, theirs.message_type)
        compare_enums(ours.enum_type, theirs.enum_type)
        self.assertEqual(methods(ours), methods(theirs))


class RulesTest(unittest.TestCase):
    """A client can check its requests before it sends them, with the rules that it finds in our proto files."""

    def test_a_request_that_keeps_them_passes(self):
        protovalidate.validate(flag_service_pb2.SetPercentageRequest(name="x", percentage=25))

    def test_a_rule_of_a_field_is_enforced(self):
        with self.assertRaises(protovalidate.ValidationError) as raised:
            protovalidate.validate(flag_service_pb2.SetPercentageRequest(name="x", percentage=101))
        self.assertIn("percentage", str(raised.exception))

    def test_a_rule_in_cel_is_enforced(self):
        runs = [breaker_service_pb2.OutcomeRun(outcome=breaker_service_pb2.OUTCOME_SUCCESS, count=2)]
        report = breaker_service_pb2.OutcomeReport(name="x", lease_id="lease", runs=runs)
        with self.assertRaises(protovalidate.ValidationError) as raised:
            protovalidate.validate(report)
        self.assertEqual([violation.proto.rule_id for violation in raised.exception.violations], ["outcome_report.lease"])


if __name__ == "__main__":
    unittest.main()

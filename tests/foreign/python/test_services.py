"""One walk through every service of the contract."""

import unittest

import grpc
from buf.validate import validate_pb2
from google.protobuf import json_format, struct_pb2
from helios.v1 import (
    breaker_pb2,
    breaker_service_pb2,
    flag_pb2,
    flag_service_pb2,
    module_pb2,
    module_service_pb2,
    status_service_pb2,
    test_pb2,
    test_service_pb2,
)
from helios_client import TIMEOUT, breakers, bucket, error_info, find_detail, flags, modules, status, suites, unique


def json_value(value):
    return json_format.ParseDict(value, struct_pb2.Value())


class LoadedModule(unittest.TestCase):
    def loaded(self):
        name = unique("echo")
        request = module_service_pb2.RegisterModuleRequest(name=name, module_path="echo", version="1.0.0")
        registered = modules.RegisterModule(request, timeout=TIMEOUT).module
        self.assertEqual(registered.state, module_pb2.MODULE_STATE_UNLOADED)
        module = modules.LoadModule(module_service_pb2.LoadModuleRequest(name=name), timeout=TIMEOUT).module
        self.assertEqual(module.state, module_pb2.MODULE_STATE_ACTIVE)
        self.assertEqual(list(module.methods), ["echo", "fail"])
        self.assertGreater(module.revision, registered.revision)
        self.addCleanup(
            modules.UnloadModule, module_service_pb2.UnloadModuleRequest(name=name), timeout=TIMEOUT
        )
        return name


class ModuleServiceTest(LoadedModule):
    def invoke(self, name, method="echo", **given):
        request = module_service_pb2.InvokeModuleRequest(name=name, method=method, **given)
        return modules.InvokeModule(request, timeout=TIMEOUT)

    def test_a_module_answers_json_and_bytes_and_then_as_its_new_version(self):
        name = self.loaded()
        sent = {"text": "grüße 🚀", "numbers": [1, -2.5, 1e300], "nothing": None, "nested": {"yes": True}}
        answer = self.invoke(name, json=json_value(sent))
        self.assertEqual(json_format.MessageToDict(answer.json), sent)
        self.assertEqual((answer.version, answer.answered_by), ("1.0.0", name))
        payload = bytes(range(256))
        self.assertEqual(self.invoke(name, binary=payload).binary, payload)

        request = module_service_pb2.SwapModuleRequest(name=name, new_version_path="echo_v2")
        swap = modules.SwapModule(request, timeout=TIMEOUT)
        self.assertTrue(swap.swapped, swap)
        self.assertIn("commit", [step.name for step in swap.steps])
        answer = self.invoke(name, json=json_value(1))
        self.assertEqual(json_format.MessageToDict(answer.json), {"echo": 1})
        self.assertEqual(answer.version, "2.0.0")

    def test_what_a_module_throws_reaches_the_caller(self):
        name = self.loaded()
        with self.assertRaises(grpc.RpcError) as raised:
            self.invoke(name, "fail", json=json_value({"text": "on purpose: ü"}))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INTERNAL)
        info = error_info(raised.exception)
        self.assertEqual((info.domain, info.reason), ("helios", "MODULE_METHOD_FAILED"))
        self.assertEqual(info.metadata["name"], name)
        self.assertIn("on purpose: ü", info.metadata["error"])

    def test_an_unknown_module_is_told_with_its_name(self):
        with self.assertRaises(grpc.RpcError) as raised:
            modules.GetModule(module_service_pb2.GetModuleRequest(name="nowhere"), timeout=TIMEOUT)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        info = error_info(raised.exception)
        self.assertEqual(info.reason, "MODULE_NOT_FOUND")
        self.assertEqual(dict(info.metadata), {"name": "nowhere"})


class FlagServiceTest(unittest.TestCase):
    def set_percentage(self, name, percentage):
        request = flag_service_pb2.SetPercentageRequest(
            name=name, percentage=percentage, allow_missing=True, actor="python"
        )
        return flags.SetPercentage(request, timeout=TIMEOUT).flag

    def test_a_session_gets_the_bucket_that_another_language_computes(self):
        name = unique("rollout")
        flag = self.set_percentage(name, 25)
        self.assertEqual(flag.strategy, flag_pb2.STRATEGY_PERCENTAGE)
        self.assertTrue(flag.enabled)
        sessions = ["a", "ab", "abc", "abcd", "grüße 🚀", *(f"session-{number}" for number in range(300))]
        on = 0
        for session in sessions:
            request = flag_service_pb2.EvaluateFlagRequest(
                name=name, context=flag_pb2.EvaluationContext(session_id=session)
            )
            evaluation = flags.EvaluateFlag(request, timeout=TIMEOUT).evaluation
            self.assertEqual(evaluation.bucket, bucket(name, session), session)
            self.assertEqual(evaluation.enabled, evaluation.bucket < 25_000)
            self.assertEqual(evaluation.reason, flag_pb2.REASON_SPLIT)
            on += evaluation.enabled
        self.assertTrue(0 < on < len(sessions))

    def test_a_watch_starts_with_a_snapshot_goes_on_with_changes_and_resumes(self):
        name = unique("watched")
        created = self.set_percentage(name, 1)
        stream = flags.WatchFlags(flag_service_pb2.WatchFlagsRequest(names=[name]), timeout=TIMEOUT)
        snapshot = next(stream)
        self.assertTrue(snapshot.snapshot.complete)
        self.assertEqual([flag.name for flag in snapshot.snapshot.flags], [name])
        self.assertGreaterEqual(snapshot.revision, created.revision)
        self.assertEqual(snapshot.heartbeat_interval.seconds, 15)

        changed = self.set_percentage(name, 2)
        change = next(stream)
        self.assertEqual(change.WhichOneof("frame"), "changes")
        (one,) = change.changes.changes
        self.assertEqual((one.put.percentage, one.put.revision), (2, changed.revision))
        self.assertEqual((one.cause.action, one.cause.actor), ("SetPercentage", "python"))
        stream.cancel()

        missed = self.set_percentage(name, 3)
        request = flag_service_pb2.WatchFlagsRequest(names=[name], resume_token=change.resume_token)
        resumed = flags.WatchFlags(request, timeout=TIMEOUT)
        first = next(resumed)
        self.assertEqual([each.put.revision for each in first.changes.changes], [missed.revision])
        resumed.cancel()

    def test_a_value_out_of_bounds_is_told_with_the_field_and_the_rule(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.set_percentage(unique("wrong"), 101)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        info = error_info(raised.exception)
        self.assertEqual((info.reason, info.metadata["field"]), ("ARGUMENT_INVALID", "percentage"))
        (violations,) = find_detail(raised.exception, validate_pb2.Violations)
        (violation,) = violations.violations
        self.assertEqual([element.field_name for element in violation.field.elements], ["percentage"])
        self.assertTrue(violation.rule_id.startswith("double."))


class BreakerServiceTest(unittest.TestCase):
    def test_failures_open_a_breaker_and_a_reset_closes_it(self):
        name = unique("api")
        config = breaker_pb2.BreakerConfig(failure_threshold=2)
        request = breaker_service_pb2.GetOrCreateBreakerRequest(name=name, config=config)
        created = breakers.GetOrCreateBreaker(request, timeout=TIMEOUT)
        self.assertTrue(created.created)
        self.assertEqual(created.breaker.config.success_threshold, 2)
        acquire = breaker_service_pb2.AcquirePermitRequest(name=name, client_id="python")
        permit = breakers.AcquirePermit(acquire, timeout=TIMEOUT)
        self.assertTrue(permit.allowed)

        failures = breaker_service_pb2.OutcomeRun(outcome=breaker_service_pb2.OUTCOME_FAILURE, count=2)
        report = breaker_service_pb2.ReportOutcomesRequest(
            client_id=unique("python"),
            seq=1,
            reports=[breaker_service_pb2.OutcomeReport(name=name, epoch=permit.epoch, runs=[failures])],
        )
        self.assertFalse(breakers.ReportOutcomes(report, timeout=TIMEOUT).duplicate)
        self.assertTrue(breakers.ReportOutcomes(report, timeout=TIMEOUT).duplicate)
        refused = breakers.AcquirePermit(acquire, timeout=TIMEOUT)
        self.assertFalse(refused.allowed)
        self.assertEqual(refused.state, breaker_pb2.BREAKER_STATE_OPEN)
        self.assertTrue(0 < refused.retry_after.ToTimedelta().total_seconds() <= 60)

        reset = breakers.ResetBreaker(breaker_service_pb2.ResetBreakerRequest(name=name), timeout=TIMEOUT)
        self.assertEqual(reset.breaker.state, breaker_pb2.BREAKER_STATE_CLOSED)
        self.assertTrue(breakers.AcquirePermit(acquire, timeout=TIMEOUT).allowed)


class TestServiceTest(LoadedModule):
    def test_a_suite_runs_on_a_module_and_the_report_is_kept(self):
        built_in = suites.ListSuites(test_service_pb2.ListSuitesRequest(), timeout=TIMEOUT).suites
        self.assertLessEqual({"data", "ml", "trading"}, {suite.name for suite in built_in})
        module, name = self.loaded(), unique("suite")
        suite = test_pb2.TestSuite(
            name=name,
            tests=[
                test_pb2.TestCase(name="echoes", method="echo", input=json_value({"x": 1}), expect="output.x == 1.0"),
                test_pb2.TestCase(name="fails", method="fail", input=json_value({"text": "no"}), expect="error != null"),
            ],
        )
        suites.CreateSuite(test_service_pb2.CreateSuiteRequest(suite=suite), timeout=TIMEOUT)
        request = test_service_pb2.RunTestsRequest(name=module, suite=name)
        frames = list(suites.RunTests(request, timeout=TIMEOUT))
        kinds = [frame.WhichOneof("frame") for frame in frames]
        self.assertEqual(kinds[0], "started")
        self.assertEqual(kinds[-1], "run")
        self.assertEqual([kinds.count(kind) for kind in ("test_started", "test_ended")], [2, 2])
        run = frames[-1].run
        self.assertTrue(run.passed, run)
        self.assertEqual((run.total_tests, run.results.passed), (2, 2))
        kept = suites.ListTestRuns(test_service_pb2.ListTestRunsRequest(name=module), timeout=TIMEOUT).runs
        self.assertEqual([each.id for each in kept], [run.id])


class StatusServiceTest(unittest.TestCase):
    def test_the_status_counts_and_events_tell_what_changes(self):
        stream = status.WatchEvents(status_service_pb2.WatchEventsRequest(), timeout=TIMEOUT)
        next(stream)
        name = unique("event")
        request = flag_service_pb2.SetPercentageRequest(name=name, percentage=5, allow_missing=True, actor="python")
        flag = flags.SetPercentage(request, timeout=TIMEOUT).flag
        events = (event for frame in stream for event in frame.events.events)
        event = next(event for event in events if event.name == name)
        self.assertEqual(event.domain, status_service_pb2.DOMAIN_FLAGS)
        self.assertEqual(event.revision, flag.revision)
        self.assertIn(name, event.text)
        stream.cancel()

        now = status.GetStatus(status_service_pb2.GetStatusRequest(), timeout=TIMEOUT).status
        self.assertTrue(now.ready)
        self.assertGreaterEqual(now.revision, flag.revision)
        self.assertEqual(now.flags.total, sum(now.flags.by_state.values()))
        self.assertGreater(now.flags.by_state["ENABLED"], 0)


if __name__ == "__main__":
    unittest.main()

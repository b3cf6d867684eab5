import type { DescService } from "@bufbuild/protobuf";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../gen/helios/v1/status_service_pb.ts";
import { TestService } from "../../gen/helios/v1/test_service_pb.ts";

/** The version of the contract. Each release with additions to it raises the version. */
export const CONTRACT_VERSION = 1;

/** The services of the contract. */
export const SERVICES: readonly DescService[] = [
  ModuleService,
  FlagService,
  BreakerService,
  TestService,
  StatusService,
];

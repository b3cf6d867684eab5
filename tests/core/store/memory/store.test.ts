import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import { storeSuite } from "../suite.ts";

storeSuite("memory store", async (options) => createMemoryStore({ ...options, incarnation: "one" }));

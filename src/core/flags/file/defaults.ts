import { type FlagFields, withFields } from "../record.ts";
import type { FileFlag } from "./read-flag.ts";

const DEFAULTS: Readonly<Record<string, FlagFields>> = {
  neural_network_v2: {
    strategy: "PERCENTAGE",
    percentage: 25,
    description: "New neural network architecture",
  },
  llm_enhanced_decisions: {
    enabled: true,
    description: "LLM-powered trading decisions",
  },
  paper_trading_v2: {
    strategy: "GRADUAL",
    gradual: { initialPercentage: 10, targetPercentage: 100 },
    description: "Enhanced paper trading",
  },
  advanced_risk_engine: {
    strategy: "WHITELIST",
    description: "Advanced risk management",
  },
  multi_timeframe_analysis: {
    enabled: true,
    description: "Multi-timeframe analysis",
  },
  websocket_v2: {
    strategy: "PERCENTAGE",
    percentage: 25,
    description: "New WebSocket implementation",
  },
  portfolio_optimizer_v2: {
    strategy: "ALL_OFF",
    description: "Advanced portfolio optimization",
  },
  hot_reload_modules: {
    enabled: true,
    description: "Enable module hot-reloading",
  },
};

/** The first flags of an empty store if there is no flags file. */
export const DEFAULT_FLAGS: readonly FileFlag[] = Object.entries(DEFAULTS).map(([name, fields]) => ({
  name,
  definition: withFields(name, undefined, fields),
}));

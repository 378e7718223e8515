/** The engine's rows: plan and decide in process, beside Cedar and, where it is installed, the Python package. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { REPO } from "@kavach/testkit";
import type { Cores } from "./cores.ts";
import { ACTION, AMOUNT, kavachPolicies, ROLE } from "./engine-policies.ts";

/** Decisions a second on one core. */
export interface EngineRates {
  readonly kavach10: number;
  readonly kavach100: number;
  readonly kavach10000: number;
  readonly cedar100: number;
  /** Unsigned; undefined where the package is not installed. */
  readonly python100: number | undefined;
}

/** The environment that the interoperability suite makes. */
const PYTHON = join(REPO, ".cache/kavach-sdk/bin/python");

const PYTHON_PROGRAM = `
import json, sys, time
from kavach import ActionContext, Gate
given = json.load(sys.stdin)
gate = Gate.from_dict(given["policies"])
context = ActionContext(principal_id="agent-bot", principal_kind="agent", action_name=given["action"], roles=[given["role"]], params={"amount": given["amount"]})
assert gate.evaluate(context).is_permit
rates = []
for _ in range(6):
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < 0.3:
        for _ in range(100):
            gate.evaluate(context)
        calls += 100
    rates.append(calls / (time.perf_counter() - start))
print(sorted(rates[1:])[2])
`;

export async function measureEngines(cores: Cores, progress: (step: string) => void): Promise<EngineRates> {
  progress("engines in process");
  const child = join(import.meta.dirname, "engine-child.ts");
  const rates = JSON.parse(await output([...cores.server, process.execPath, child])) as Omit<EngineRates, "python100">;
  return { ...rates, python100: await pythonRate(cores) };
}

async function pythonRate(cores: Cores): Promise<number | undefined> {
  if (!existsSync(PYTHON)) return undefined;
  const given = { policies: kavachPolicies(100), action: ACTION, role: ROLE, amount: AMOUNT };
  return Number(await output([...cores.server, PYTHON, "-c", PYTHON_PROGRAM], JSON.stringify(given)));
}

function output([command = "", ...args]: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { timeout: 120_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command}: ${stderr || error.message}`));
    });
    child.stdin?.end(input);
  });
}

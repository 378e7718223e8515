/** Breaks values rather than bytes: the text stays well-formed, so that what lies behind the parser is reached. */
import type { Dice } from "./mutate.ts";

/** What may stand in the place of anything. */
const STRANGE: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    0.5,
    1e300,
    4_294_967_296,
    "",
    "*",
    ".*",
    "a*b",
    "permit",
    "refuse",
    "user",
    "1h",
    "0s",
  ],
  ...["22:00-06:00", "24:00-00:00", "00:00-24:00 Asia/Kolkata", "\u0000", "__proto__", [], {}, [[]], { "": 0 }],
  ...[
    { action: "*" },
    { identity_kind: "user" },
    { rate_limit: { max: 1, window: "1h" } },
    { param_max: { field: "x", max: 5 } },
  ],
];

type Tree = Record<string, unknown> | unknown[];

/** One to four changes anywhere in one of the values. */
export function mutatedValue(dice: Dice, values: readonly object[]): unknown {
  const root = { value: structuredClone(dice.pick(values)) };
  for (let left = 1 + dice.below(4); left > 0; left--) mutateOnce(dice, root, values);
  return root.value;
}

function mutateOnce(dice: Dice, root: Tree, values: readonly object[]): void {
  const [tree, key] = anywhere(dice, root);
  const at = tree as Record<string | number, unknown>;
  const [donor, from] = anywhere(dice, { value: dice.pick(values) });
  const given = structuredClone((donor as Record<string | number, unknown>)[from]);
  switch (dice.below(5)) {
    case 0:
      at[key] = structuredClone(dice.pick(STRANGE));
      return;
    case 1:
      at[key] = given;
      return;
    case 2:
      if (Array.isArray(tree)) tree.splice(Number(key), 1);
      else delete at[key];
      return;
    case 3:
      if (Array.isArray(tree)) tree.push(given);
      else at[String(from)] = given;
      return;
    default:
      if (typeof at[key] === "string") at[key] = `${at[key]}${String(dice.pick(STRANGE))}`;
      else if (typeof at[key] === "number") at[key] = -at[key];
  }
}

/** A node and a key in it, at any depth. */
function anywhere(dice: Dice, root: Tree): [Tree, string | number] {
  let tree = root;
  for (;;) {
    const keys = Object.keys(tree);
    const key = dice.pick(keys);
    const below = (tree as Record<string, unknown>)[key];
    const deeper = typeof below === "object" && below !== null && Object.keys(below).length > 0;
    if (!deeper || (tree !== root && dice.below(4) === 0)) return [tree, key];
    tree = below as Tree;
  }
}

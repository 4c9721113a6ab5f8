// What the policy promises, row by row. Runs natively: `npm test`.

import assert from "node:assert/strict";
import test from "node:test";
import { formatAddress, numbers, parseAddress, parsePrefix } from "./network.js";
import { Policy, Refusal } from "./policy.js";

const prefix = (text) => parsePrefix(text) ?? assert.fail(text);
const address = (text) => parseAddress(text) ?? assert.fail(text);

const take = (policy, text, subPool) => policy.takePool(prefix(text), subPool && prefix(subPool)).id;
const choose = (policy, v6, length, ...exclude) => policy.choosePool(v6, length, exclude.map(prefix)).id;
const lease = (policy, id, wanted, gateway) =>
  formatAddress(policy.requestAddress(id, wanted && address(wanted), gateway).address);

function refuses(code, call) {
  assert.throws(call, (error) => error instanceof Refusal && error.code === code, code);
}

test("automatic pools are the lowest free ones", () => {
  const policy = new Policy();
  assert.equal(choose(policy, false), "10.64.0.0/24");
  assert.equal(choose(policy, false, undefined, "10.64.1.0/24"), "10.64.2.0/24");
  refuses("no-more-subnets", () => choose(policy, false, undefined, "0.0.0.0/0"));
  assert.equal(choose(policy, false, 22), "10.64.4.0/22");
  refuses("invalid-pool", () => choose(policy, false, 15));
  refuses("no-more-subnets", () => choose(policy, false, 16));
  refuses("invalid-pool", () => choose(policy, false, 33));
  assert.equal(choose(policy, true), "fd64:0:0:0:0:0:0:0/64");
  assert.equal(choose(policy, true, 128), "fd64:0:0:1:0:0:0:0/128");
  policy.releasePool("10.64.0.0/24");
  refuses("pool-not-found", () => policy.releasePool("10.64.0.0/24"));
  assert.equal(choose(policy, false), "10.64.0.0/24");
});

test("pools by name must be free", () => {
  const policy = new Policy();
  assert.equal(take(policy, "192.0.2.0/24"), "192.0.2.0/24");
  for (const taken of ["192.0.2.0/24", "192.0.2.128/25", "192.0.0.0/16"]) {
    refuses("pool-overlap", () => take(policy, taken));
  }
  refuses("invalid-pool", () => take(policy, "0.0.0.0/0"));
});

test("addresses are leased once", () => {
  const policy = new Policy();
  const pool = take(policy, "192.0.2.0/29");
  assert.equal(lease(policy, pool), "192.0.2.1");
  assert.equal(lease(policy, pool, undefined, true), "192.0.2.6");
  assert.equal(lease(policy, pool, "192.0.2.3"), "192.0.2.3");
  for (const taken of ["192.0.2.3", "192.0.2.0", "192.0.2.7"]) {
    refuses("ip-already-allocated", () => lease(policy, pool, taken));
  }
  for (const outside of ["192.0.2.8", "2001:db8::1"]) {
    refuses("ip-out-of-range", () => lease(policy, pool, outside));
  }
  for (const next of ["192.0.2.2", "192.0.2.4", "192.0.2.5"]) assert.equal(lease(policy, pool), next);
  refuses("no-available-ips", () => lease(policy, pool));
  policy.releaseAddress(pool, address("192.0.2.3"));
  policy.releaseAddress(pool, address("192.0.2.3")); // twice is no error
  refuses("ip-out-of-range", () => policy.releaseAddress(pool, address("192.0.2.9")));
  assert.equal(lease(policy, pool), "192.0.2.3");
  refuses("pool-not-found", () => lease(policy, "unknown"));
});

for (const [pool, ...addresses] of [
  ["192.0.2.0/30", "192.0.2.1", "192.0.2.2"],
  ["192.0.2.0/31", "192.0.2.0", "192.0.2.1"],
  ["192.0.2.1/32", "192.0.2.1"],
  ["255.255.255.254/31", "255.255.255.254", "255.255.255.255"],
  ["2001:db8::/126", "2001:db8::1", "2001:db8::2", "2001:db8::3"],
  ["2001:db8::/127", "2001:db8::", "2001:db8::1"],
  ["2001:db8::1/128", "2001:db8::1"],
]) {
  test(`${pool} has these addresses and no others`, () => {
    const policy = new Policy();
    const id = take(policy, pool);
    for (const next of addresses) assert.equal(lease(policy, id), formatAddress(address(next)));
    refuses("no-available-ips", () => lease(policy, id));
  });
}

test("a sub-pool is where automatic addresses come from", () => {
  const policy = new Policy();
  for (const wrong of ["192.0.3.0/25", "192.0.0.0/16", "2001:db8::/64"]) {
    refuses("invalid-sub-pool", () => take(policy, "192.0.2.0/24", wrong));
  }
  const id = take(policy, "192.0.2.0/24", "192.0.2.128/31");
  assert.equal(id, "192.0.2.0/24/192.0.2.128/31");
  assert.equal(lease(policy, id), "192.0.2.128");
  assert.equal(lease(policy, id), "192.0.2.129");
  refuses("no-available-ips", () => lease(policy, id));
  assert.equal(lease(policy, id, "192.0.2.9"), "192.0.2.9");
});

test("the operator says where pools come from", () => {
  const policy = new Policy('{"ipv4": "10.9.0.0/24", "ipv6": "2001:db8::/64"}');
  assert.equal(choose(policy, false), "10.9.0.0/24");
  assert.equal(choose(policy, true), "2001:db8:0:0:0:0:0:0/64");
  for (const wrong of [
    "", "[]", "null", '{"ipv4": 4}', '{"ipv5": "10.0.0.0/8"}', '{"ipv4": "10.0.0.1/8"}',
    '{"ipv4": "10.0.0.0/25"}', '{"ipv4": "fd64::/48"}', '{"ipv4": "0.0.0.0/0"}',
    '{"ipv6": "1::2::/48"}', '{"ipv6": "::g/48"}', '{"ipv6": "1:2:3/48"}',
  ]) {
    refuses("invalid-request", () => new Policy(wrong));
  }
});

test("a BigInt is no number of the contract", () => {
  const answer = { poolId: "a", pool: { length: 24, address: { tag: "ipv4", val: [10, 64, 0, 0] } }, data: [] };
  assert.equal(numbers(answer), answer);
  assert.equal(numbers(undefined), undefined);
  answer.pool.length = 24n;
  assert.throws(() => numbers(answer), /answer\.pool\.length is a BigInt, and not a number/);
});

// Where the host's calls meet the policy.
//
// A function of the contract that refuses throws { tag, val }. Whatever else is
// thrown is a trap: the host drops the instance and builds a new one.

import callback from "ipam:driver/callback@0.1.0";
import log from "ipam:driver/log@0.1.0";
import { fromParts, numbers, parts } from "./network.js";
import { Policy, Refusal } from "./policy.js";

const NAME = "@NAME@";

// An instance that was never started answers with its defaults.
let policy = new Policy();

/** Turns a Refusal into the contract's error; whatever else it was is logged. */
const refusing = (call) => (...asked) => {
  try {
    return numbers(call(...asked));
  } catch (error) {
    if (error instanceof Refusal) throw { tag: error.code, val: error.message };
    log.log("error", `${error}\n${error.stack}`);
    throw error;
  }
};

const readAddress = ({ tag, val }) => fromParts(tag === "ipv6", val);
const readPrefix = ({ address, length }) => ({ ...readAddress(address), length });
const writeAddress = (address) => ({ tag: address.v6 ? "ipv6" : "ipv4", val: parts(address) });

function requestPool({ addressSpace, pool, subPool, exclude }) {
  if (addressSpace !== NAME) throw new Refusal("invalid-address-space");
  const isExact = pool.tag === "exact";
  if (subPool && !isExact) throw new Refusal("invalid-sub-pool");
  const [family, length] = pool.tag === "sized" ? pool.val : [pool.val];
  const { id, prefix } = isExact
    ? policy.takePool(readPrefix(pool.val), subPool && readPrefix(subPool))
    : policy.choosePool(family === "ipv6", length, exclude.map(readPrefix));
  return { poolId: id, pool: { address: writeAddress(prefix), length: prefix.length }, data: [] };
}

function requestAddress(id, wanted, options) {
  const gateway = options.some(
    ([key, value]) => key === "RequestAddressType" && value === "com.docker.network.gateway",
  );
  const { address, prefix } = policy.requestAddress(id, wanted && readAddress(wanted), gateway);
  return { address: { address: writeAddress(address), prefixLength: prefix.length }, data: [] };
}

export const lifecycle = {
  start: refusing(({ name, config }) => {
    if (name !== null && name !== undefined && name !== NAME) {
      throw new Refusal("invalid-request", "this component has one driver");
    }
    policy = new Policy(config);
    log.log("debug", "automatic pools are /24 and /64");
    // All state is memory: a new instance is to be told what is granted.
    const capability = { requiresMacAddress: false, requiresRequestReplay: true };
    callback.registerIpamDriverWithCapabilities(NAME, capability);
  }),
};

export const ipam = {
  getDefaultAddressSpaces: () => ({ local: NAME, global: NAME }),
  requestPool: refusing(requestPool),
  releasePool: refusing((id) => policy.releasePool(id)),
  requestAddress: refusing(requestAddress),
  releaseAddress: refusing((id, address) => policy.releaseAddress(id, readAddress(address))),
  isBuiltIn: () => false,
};

// The policy: which pool and which address. It knows nothing of WebAssembly,
// so that policy.test.js runs natively.
//
// In: what the host asks. Out: what to propose, or a Refusal.
//
// The state is a cache: an instance may be dropped between any two calls, and a
// new one is told what is granted as exact requests. That works because ids
// follow from prefixes.

import { contains, formatPrefix, last, overlap, parsePrefix, width } from "./network.js";

const automaticLength = (v6) => (v6 ? 64 : 24);

/**
 * An error of the contract, by its name in wit/types.wit. Without a text the
 * caller reads the contract's own words.
 */
export class Refusal extends Error {
  constructor(code, text = "") {
    super(text);
    this.code = code;
  }
}

/** The blocks that automatic pools come from, of the operator's table. */
function readBlocks(config) {
  let table;
  try {
    table = JSON.parse(config);
  } catch (error) {
    throw new Refusal("invalid-request", error.message);
  }
  if (table === null || typeof table !== "object" || Array.isArray(table)) {
    throw new Refusal("invalid-request", "expected an object");
  }
  const { ipv4 = "10.64.0.0/16", ipv6 = "fd64::/48", ...rest } = table;
  for (const key in rest) throw new Refusal("invalid-request", `unknown key ${key}`);
  return [ipv4, ipv6].map((text, v6) => {
    const block = parsePrefix(String(text));
    const fits = block && block.v6 === Boolean(v6) && block.length > 0 && block.length <= automaticLength(block.v6);
    if (!fits) throw new Refusal("invalid-request", `${text} is no block of automatic pools`);
    return block;
  });
}

export class Policy {
  /** `config` is the operator's table: one JSON object. */
  constructor(config = "{}") {
    this.blocks = readBlocks(config);
    this.pools = new Map();
  }

  // --- pools ---

  /** Grants this very pool, if nothing is in its way. */
  takePool(prefix, subPool) {
    if (prefix.length === 0) throw new Refusal("invalid-pool"); // would mean "no pool"
    if (subPool && !contains(prefix, subPool)) throw new Refusal("invalid-sub-pool");
    if (this.#inTheWay(prefix, [])) throw new Refusal("pool-overlap");
    return this.#add(prefix, subPool);
  }

  /**
   * Grants the lowest free pool. What is in the way is jumped over whole: a /48
   * has too many /128s to try them.
   */
  choosePool(v6, length = automaticLength(v6), exclude = []) {
    const block = this.blocks[Number(v6)];
    if (length < block.length || length > width(v6)) throw new Refusal("invalid-pool");
    let candidate = { v6, bits: block.bits, length };
    for (let other; (other = this.#inTheWay(candidate, exclude)); ) {
      const end = last(other) > last(candidate) ? last(other) : last(candidate);
      if (end >= last(block)) throw new Refusal("no-more-subnets");
      candidate = { v6, bits: end + 1n, length };
    }
    return this.#add(candidate);
  }

  releasePool(id) {
    if (!this.pools.delete(id)) throw new Refusal("pool-not-found");
  }

  #inTheWay(candidate, exclude) {
    const taken = [...this.pools.values()].map((pool) => pool.prefix);
    return [...taken, ...exclude].find((other) => overlap(other, candidate));
  }

  #add(prefix, subPool) {
    // An id says what it stands for, so that a new instance finds the same.
    const id = subPool ? `${formatPrefix(prefix)}/${formatPrefix(subPool)}` : formatPrefix(prefix);
    this.pools.set(id, { prefix, source: subPool ?? prefix, leases: new Set() });
    return { id, prefix };
  }

  // --- addresses ---

  /** Leases an address; its pool's prefix comes with it. */
  requestAddress(id, wanted, gateway = false) {
    const pool = this.#pool(id);
    if (wanted && !contains(pool.prefix, wanted)) throw new Refusal("ip-out-of-range");
    if (wanted && !isFree(pool, wanted.bits)) throw new Refusal("ip-already-allocated");
    const bits = wanted ? wanted.bits : choose(pool, gateway);
    pool.leases.add(bits);
    return { address: { v6: pool.prefix.v6, bits }, prefix: pool.prefix };
  }

  releaseAddress(id, address) {
    const pool = this.#pool(id);
    if (!contains(pool.prefix, address)) throw new Refusal("ip-out-of-range");
    pool.leases.delete(address.bits); // also when it is released twice
  }

  #pool(id) {
    const pool = this.pools.get(id);
    if (!pool) throw new Refusal("pool-not-found");
    return pool;
  }
}

/** The lowest free address, or the highest one: for a gateway. */
function choose({ prefix, source, leases }, fromAbove) {
  const [from, to, step] = fromAbove ? [last(source), source.bits, -1n] : [source.bits, last(source), 1n];
  for (let bits = from; ; bits += step) {
    if (isFree({ prefix, leases }, bits)) return bits;
    if (bits === to) throw new Refusal("no-available-ips");
  }
}

/**
 * Network and broadcast address, and the anycast address of IPv6's routers, are
 * never leased; pools of one or two addresses have none of them.
 */
function isFree({ prefix, leases }, bits) {
  const isSmall = width(prefix.v6) - prefix.length <= 1;
  const isReserved = bits === prefix.bits || (!prefix.v6 && bits === last(prefix));
  return !leases.has(bits) && (isSmall || !isReserved);
}

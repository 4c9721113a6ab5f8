"""The policy: which pool and which address.

Plain Python that knows nothing of WebAssembly, so that test_policy.py runs
natively. In: what the host asks. Out: what to propose, or a `Refusal`.

The state is a cache: an instance may be dropped between any two calls, and a
new one is told what is granted as exact requests. That works because ids
follow from prefixes.
"""

import json
from ipaddress import ip_network

AUTOMATIC_LENGTH = {4: 24, 6: 64}


class Refusal(Exception):
    """An error of the contract, by its name in wit/types.wit.

    Without a text the caller reads the contract's own words.
    """

    def __init__(self, code, text=""):
        super().__init__(code, text)
        self.code = code
        self.text = text


class Policy:
    """Pools from one block of each family, and pools by name.

    `config` is the operator's table, a JSON object: the two blocks.
    """

    def __init__(self, config="{}"):
        self.pools = {}
        self.blocks = {}
        try:
            table = {"ipv4": "10.64.0.0/16", "ipv6": "fd64::/48"} | json.loads(config)
            if table.keys() != {"ipv4", "ipv6"}:
                raise ValueError(f"expected ipv4 and ipv6, found {', '.join(table)}")
            for version, text in ((4, table["ipv4"]), (6, table["ipv6"])):
                block = ip_network(str(text))
                fits = 0 < block.prefixlen <= AUTOMATIC_LENGTH[version]
                if block.version != version or not fits:
                    raise ValueError(f"{block} is no block of automatic pools")
                self.blocks[version] = block
        except (TypeError, ValueError) as error:
            raise Refusal("invalid-request", str(error)) from error

    # --- pools ---

    def take_pool(self, prefix, sub_pool=None):
        """Grants this very pool, if nothing is in its way."""
        if prefix.prefixlen == 0:
            raise Refusal("invalid-pool")  # would mean "no pool"
        if sub_pool and not (sub_pool.version == prefix.version and sub_pool.subnet_of(prefix)):
            raise Refusal("invalid-sub-pool")
        if self._in_the_way(prefix):
            raise Refusal("pool-overlap")
        return self._add(prefix, sub_pool)

    def choose_pool(self, version, length=None, exclude=()):
        """Grants the lowest free pool.

        What is in the way is jumped over whole: a /48 has too many /128s to
        try them.
        """
        block = self.blocks[version]
        length = AUTOMATIC_LENGTH[version] if length is None else length
        if not block.prefixlen <= length <= block.max_prefixlen:
            raise Refusal("invalid-pool")
        candidate = ip_network((block.network_address, length))
        while other := self._in_the_way(candidate, exclude):
            last = max(other.broadcast_address, candidate.broadcast_address)
            if last >= block.broadcast_address:
                raise Refusal("no-more-subnets")
            candidate = ip_network((last + 1, length))
        return self._add(candidate)

    def release_pool(self, pool_id):
        if not self.pools.pop(pool_id, None):
            raise Refusal("pool-not-found")

    def _in_the_way(self, candidate, exclude=()):
        taken = [pool.prefix for pool in self.pools.values()]
        for other in [*taken, *exclude]:
            if other.version == candidate.version and other.overlaps(candidate):
                return other
        return None

    def _add(self, prefix, sub_pool=None):
        # An id says what it stands for, so that a new instance finds the same.
        pool_id = f"{prefix}/{sub_pool}" if sub_pool else str(prefix)
        self.pools[pool_id] = Pool(prefix, sub_pool or prefix)
        return pool_id, prefix

    # --- addresses ---

    def request_address(self, pool_id, address=None, gateway=False):
        """Leases an address; its pool's prefix comes with it."""
        pool = self._pool(pool_id)
        if address is None:
            address = pool.choose(from_above=gateway)
        elif address not in pool.prefix:
            raise Refusal("ip-out-of-range")
        elif not pool.is_free(address):
            raise Refusal("ip-already-allocated")
        pool.leases.add(address)
        return address, pool.prefix

    def release_address(self, pool_id, address):
        pool = self._pool(pool_id)
        if address not in pool.prefix:
            raise Refusal("ip-out-of-range")
        pool.leases.discard(address)  # also when it is released twice

    def _pool(self, pool_id):
        if pool_id not in self.pools:
            raise Refusal("pool-not-found")
        return self.pools[pool_id]


class Pool:
    """A granted pool; `source` is where automatic addresses come from."""

    def __init__(self, prefix, source):
        self.prefix = prefix
        self.source = source
        self.leases = set()

    def is_free(self, address):
        return address not in self.leases and not self._is_reserved(address)

    def choose(self, from_above):
        """The lowest free address, or the highest one: for a gateway."""
        first = self.source.network_address
        offsets = range(self.source.num_addresses)
        for offset in reversed(offsets) if from_above else offsets:
            if self.is_free(first + offset):
                return first + offset
        raise Refusal("no-available-ips")

    def _is_reserved(self, address):
        """Network and broadcast address, and the anycast address of IPv6's
        routers, are never leased; pools of one or two addresses have none."""
        prefix = self.prefix
        if prefix.num_addresses <= 2:
            return False
        return address == prefix.network_address or (
            prefix.version == 4 and address == prefix.broadcast_address
        )

"""What the policy promises, row by row. Runs natively: `make test`."""

import unittest
from ipaddress import ip_address, ip_network

from policy import Policy, Refusal


class Promises(unittest.TestCase):
    def refuses(self, code, call, *arguments):
        with self.assertRaises(Refusal) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.code, code)

    def setUp(self):
        self.policy = Policy()

    def take(self, prefix, sub_pool=None):
        sub_pool = sub_pool and ip_network(sub_pool)
        return self.policy.take_pool(ip_network(prefix), sub_pool)[0]

    def choose(self, version, length=None, *exclude):
        return self.policy.choose_pool(version, length, [ip_network(text) for text in exclude])[0]

    def lease(self, pool_id, address=None, gateway=False):
        address = address and ip_address(address)
        return str(self.policy.request_address(pool_id, address, gateway)[0])

    def test_automatic_pools_are_the_lowest_free_ones(self):
        self.assertEqual(self.choose(4), "10.64.0.0/24")
        self.assertEqual(self.choose(4, None, "10.64.1.0/24"), "10.64.2.0/24")
        self.refuses("no-more-subnets", self.choose, 4, None, "0.0.0.0/0")
        self.assertEqual(self.choose(4, 22), "10.64.4.0/22")
        self.refuses("invalid-pool", self.choose, 4, 15)
        self.refuses("no-more-subnets", self.choose, 4, 16)
        self.refuses("invalid-pool", self.choose, 4, 33)
        self.assertEqual(self.choose(6), "fd64::/64")
        self.assertEqual(self.choose(6, 128), "fd64:0:0:1::/128")
        self.policy.release_pool("10.64.0.0/24")
        self.refuses("pool-not-found", self.policy.release_pool, "10.64.0.0/24")
        self.assertEqual(self.choose(4), "10.64.0.0/24")

    def test_pools_by_name_must_be_free(self):
        self.assertEqual(self.take("192.0.2.0/24"), "192.0.2.0/24")
        for taken in ("192.0.2.0/24", "192.0.2.128/25", "192.0.0.0/16"):
            self.refuses("pool-overlap", self.take, taken)
        self.refuses("invalid-pool", self.take, "0.0.0.0/0")

    def test_addresses_are_leased_once(self):
        pool = self.take("192.0.2.0/29")
        self.assertEqual(self.lease(pool), "192.0.2.1")
        self.assertEqual(self.lease(pool, gateway=True), "192.0.2.6")
        self.assertEqual(self.lease(pool, "192.0.2.3"), "192.0.2.3")
        for taken in ("192.0.2.3", "192.0.2.0", "192.0.2.7"):
            self.refuses("ip-already-allocated", self.lease, pool, taken)
        for outside in ("192.0.2.8", "2001:db8::1"):
            self.refuses("ip-out-of-range", self.lease, pool, outside)
        self.assertEqual([self.lease(pool) for _ in range(3)], ["192.0.2.2", "192.0.2.4", "192.0.2.5"])
        self.refuses("no-available-ips", self.lease, pool)
        for _ in range(2):  # releasing twice is no error
            self.policy.release_address(pool, ip_address("192.0.2.3"))
        self.refuses("ip-out-of-range", self.policy.release_address, pool, ip_address("192.0.2.9"))
        self.assertEqual(self.lease(pool), "192.0.2.3")
        self.refuses("pool-not-found", self.lease, "unknown")

    def test_small_pools_have_no_reserved_addresses(self):
        for prefix, addresses in (
            ("192.0.2.0/30", ["192.0.2.1", "192.0.2.2"]),
            ("192.0.2.0/31", ["192.0.2.0", "192.0.2.1"]),
            ("192.0.2.1/32", ["192.0.2.1"]),
            ("255.255.255.254/31", ["255.255.255.254", "255.255.255.255"]),
            ("2001:db8::/126", ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),
            ("2001:db8::/127", ["2001:db8::", "2001:db8::1"]),
            ("2001:db8::1/128", ["2001:db8::1"]),
        ):
            with self.subTest(prefix):
                self.policy = Policy()
                pool = self.take(prefix)
                self.assertEqual([self.lease(pool) for _ in addresses], addresses)
                self.refuses("no-available-ips", self.lease, pool)

    def test_a_sub_pool_is_where_automatic_addresses_come_from(self):
        for wrong in ("192.0.3.0/25", "192.0.0.0/16", "2001:db8::/64"):
            self.refuses("invalid-sub-pool", self.take, "192.0.2.0/24", wrong)
        pool = self.take("192.0.2.0/24", "192.0.2.128/31")
        self.assertEqual(pool, "192.0.2.0/24/192.0.2.128/31")
        self.assertEqual([self.lease(pool) for _ in range(2)], ["192.0.2.128", "192.0.2.129"])
        self.refuses("no-available-ips", self.lease, pool)
        self.assertEqual(self.lease(pool, "192.0.2.9"), "192.0.2.9")

    def test_the_operator_says_where_pools_come_from(self):
        self.policy = Policy('{"ipv4": "10.9.0.0/24", "ipv6": "2001:db8::/64"}')
        self.assertEqual(self.choose(4), "10.9.0.0/24")
        self.assertEqual(self.choose(6), "2001:db8::/64")
        for wrong in (
            "", "[]", '{"ipv4": 4}', '{"ipv5": "10.0.0.0/8"}', '{"ipv4": "10.0.0.1/8"}',
            '{"ipv4": "10.0.0.0/25"}', '{"ipv4": "fd64::/48"}', '{"ipv4": "0.0.0.0/0"}',
        ):  # fmt: skip
            self.refuses("invalid-request", Policy, wrong)


if __name__ == "__main__":
    unittest.main()

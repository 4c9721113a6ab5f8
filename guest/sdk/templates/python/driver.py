"""Where the host's calls meet the policy.

`wit_world` is what componentize-py makes of wit/; `make bindings` writes it
for an editor to see. Whatever is raised here and is no `Err` is a trap: the
host drops the instance and builds a new one.
"""

import struct
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_network

from componentize_py_types import Err
from policy import Policy, Refusal
from wit_world import exports
from wit_world.exports import ipam
from wit_world.imports import callback, log, types

NAME = "@NAME@"

# An instance that was never started answers with its defaults.
policy = Policy()


@contextmanager
def refusals():
    """Turns a `Refusal` into the contract's error; whatever else it was is logged."""
    try:
        yield
    except Refusal as refusal:
        name = "Error_" + refusal.code.title().replace("-", "")
        raise Err(getattr(types, name)(refusal.text)) from None
    except Exception as error:
        # Not by `traceback`, which wants to read the source: there are no files.
        at = error.__traceback__
        while at.tb_next:
            at = at.tb_next
        place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
        log.log(log.Level.ERROR, f"{place}: {error!r}")
        raise


def read_address(address):
    if isinstance(address, types.IpAddress_Ipv4):
        return IPv4Address(bytes(address.value))
    return IPv6Address(struct.pack(">8H", *address.value))


def write_address(address):
    if address.version == 4:
        return types.IpAddress_Ipv4(tuple(address.packed))
    return types.IpAddress_Ipv6(struct.unpack(">8H", address.packed))


def read_prefix(prefix):
    return ip_network((read_address(prefix.address), prefix.length))


def version(family):
    return 4 if family == types.Family.IPV4 else 6


class Lifecycle(exports.Lifecycle):
    def start(self, request):
        global policy
        with refusals():
            if request.name not in (None, NAME):
                raise Refusal("invalid-request", "this component has one driver")
            policy = Policy(request.config)
        log.log(log.Level.DEBUG, "automatic pools are /24 and /64")
        # All state is memory: a new instance is to be told what is granted.
        capability = types.Capability(requires_mac_address=False, requires_request_replay=True)
        callback.register_ipam_driver_with_capabilities(NAME, capability)


class Ipam(exports.Ipam):
    def get_default_address_spaces(self):
        return ipam.AddressSpaces(NAME, NAME)

    def request_pool(self, request):
        with refusals():
            if request.address_space != NAME:
                raise Refusal("invalid-address-space")
            match request.pool:
                case ipam.PoolChoice_Exact(prefix):
                    sub_pool = request.sub_pool and read_prefix(request.sub_pool)
                    pool_id, pool = policy.take_pool(read_prefix(prefix), sub_pool)
                case _ if request.sub_pool:
                    raise Refusal("invalid-sub-pool")
                case ipam.PoolChoice_Sized((family, length)):
                    exclude = [read_prefix(prefix) for prefix in request.exclude]
                    pool_id, pool = policy.choose_pool(version(family), length, exclude)
                case ipam.PoolChoice_Automatic(family):
                    exclude = [read_prefix(prefix) for prefix in request.exclude]
                    pool_id, pool = policy.choose_pool(version(family), None, exclude)
        prefix = types.Prefix(write_address(pool.network_address), pool.prefixlen)
        return ipam.PoolGrant(pool_id, prefix, data=[])

    def release_pool(self, pool_id):
        with refusals():
            policy.release_pool(pool_id)

    def request_address(self, pool_id, address, options):
        gateway = ("RequestAddressType", "com.docker.network.gateway") in options
        wanted = address and read_address(address)
        with refusals():
            leased, pool = policy.request_address(pool_id, wanted, gateway)
        address = types.InterfaceAddress(write_address(leased), pool.prefixlen)
        return ipam.AddressGrant(address, data=[])

    def release_address(self, pool_id, address):
        with refusals():
            policy.release_address(pool_id, read_address(address))

    def is_built_in(self):
        return False

// The policy: which pool and which address. Plain C that knows nothing of
// WebAssembly, so that policy_test.c runs natively.
//
// In: what the host asks. Out: what to propose, or the contract's error by
// name. The state is a cache: an instance may be dropped between any two
// calls, and a new one is told what is granted as exact requests.
#ifndef POLICY_H
#define POLICY_H

#include <stdbool.h>
#include <stddef.h>

// An IPv4 address has 32 bits of these, an IPv6 address 128.
typedef unsigned __int128 bits;

typedef struct {
    bool v6;
    bits bits;
} address;

// Host bits are zero.
typedef struct {
    address first;
    unsigned length;
} prefix;

// Which of the contract's errors it is; wit/types.wit says what each means.
typedef enum {
    GRANTED,
    INVALID_ADDRESS_SPACE,
    INVALID_POOL,
    INVALID_SUB_POOL,
    INVALID_REQUEST,
    POOL_NOT_FOUND,
    NO_AVAILABLE_IPS,
    IP_ALREADY_ALLOCATED,
    IP_OUT_OF_RANGE,
    POOL_OVERLAP,
    NO_MORE_SUBNETS,
} verdict;

// "ADDRESS/LENGTH", possibly of an IPv6 pool, twice, with a '/' between.
enum { ID_SIZE = 2 * 50 };

typedef struct {
    char id[ID_SIZE];
    prefix prefix;
    prefix range; // where automatic addresses come from: the sub-pool, if any
    bits *leases; // in ascending order
    size_t lease_count;
} pool;

// From the operator's table, a JSON object such as
// {"ipv4": "10.64.0.0/16", "ipv6": "fd64::/48"}: the blocks that automatic
// pools come from. Forgets all pools. INVALID_REQUEST if it says anything else.
verdict policy_start(const char *config, size_t length);

// Any pool of a family; of any length if `length` is negative.
verdict policy_choose_pool(bool v6, int length, const prefix *exclude, size_t count,
                           const pool **granted);

// This very pool; `sub_pool` may be null.
verdict policy_take_pool(prefix wanted, const prefix *sub_pool, const pool **granted);

verdict policy_release_pool(const char *id, size_t length);

// This very address, or any if `wanted` is null: the highest free one for a
// gateway, the lowest for everybody else.
verdict policy_lease(const char *id, size_t length, const address *wanted, bool gateway,
                     address *leased, unsigned *pool_length);

verdict policy_release(const char *id, size_t length, address leased);

#endif

#include "policy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Automatic pools: which block of each family, and how long.
static prefix blocks[2];
static const unsigned automatic_length[2] = {24, 64};

static pool *pools;
static size_t pool_count;

static unsigned width(bool v6) { return v6 ? 128 : 32; }

static bits host_bits(prefix p) {
    unsigned count = width(p.first.v6) - p.length;
    return count == 128 ? ~(bits)0 : ((bits)1 << count) - 1;
}

// The last address of a prefix.
static bits last(prefix p) { return p.first.bits | host_bits(p); }

static bool contains(prefix p, address a) {
    return a.v6 == p.first.v6 && a.bits >= p.first.bits && a.bits <= last(p);
}

static bool overlap(prefix a, prefix b) {
    return a.first.v6 == b.first.v6 && a.first.bits <= last(b) && b.first.bits <= last(a);
}

// Network and broadcast address, and the anycast address of IPv6's routers,
// are never leased; pools of one or two addresses have none of them.
static bool reserved(prefix p, bits address) {
    if (width(p.first.v6) - p.length <= 1) return false;
    return address == p.first.bits || (!p.first.v6 && address == last(p));
}

// Out of memory is a trap: the host builds a new instance.
static void *resized(void *memory, size_t count, size_t size) {
    memory = realloc(memory, count * size);
    if (!memory) abort();
    return memory;
}

static pool *find(const char *id, size_t length) {
    for (size_t i = 0; i < pool_count; i++)
        if (strlen(pools[i].id) == length && memcmp(pools[i].id, id, length) == 0) return &pools[i];
    return NULL;
}

// --- pools ---

static size_t print(char *to, size_t size, prefix p) {
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    unsigned count = width(p.first.v6) / 8;
    for (unsigned i = 0; i < count; i++) bytes[i] = (unsigned char)(p.first.bits >> 8 * (count - 1 - i));
    inet_ntop(p.first.v6 ? AF_INET6 : AF_INET, bytes, text, sizeof text);
    return (size_t)snprintf(to, size, "%s/%u", text, p.length);
}

// An id says what it stands for, so that a new instance finds the same one.
static const pool *add(prefix wanted, const prefix *sub_pool) {
    pools = resized(pools, pool_count + 1, sizeof *pools);
    pool *added = &pools[pool_count++];
    *added = (pool){.prefix = wanted, .range = sub_pool ? *sub_pool : wanted};
    size_t length = print(added->id, ID_SIZE, wanted);
    if (sub_pool) {
        added->id[length++] = '/';
        print(added->id + length, ID_SIZE - length, *sub_pool);
    }
    return added;
}

// The first of the pools and of `exclude` that is in the way, or null.
static const prefix *in_the_way(prefix candidate, const prefix *exclude, size_t count) {
    for (size_t i = 0; i < pool_count; i++)
        if (overlap(candidate, pools[i].prefix)) return &pools[i].prefix;
    for (size_t i = 0; i < count; i++)
        if (overlap(candidate, exclude[i])) return &exclude[i];
    return NULL;
}

// The lowest that is free. What is in the way is jumped over whole: a /48 has
// too many /128s to try them.
verdict policy_choose_pool(bool v6, int length, const prefix *exclude, size_t count,
                           const pool **granted) {
    prefix block = blocks[v6];
    if (length < 0) length = (int)automatic_length[v6];
    if ((unsigned)length < block.length || (unsigned)length > width(v6)) return INVALID_POOL;
    prefix candidate = {block.first, (unsigned)length};
    const prefix *other;
    while ((other = in_the_way(candidate, exclude, count))) {
        bits end = last(*other) > last(candidate) ? last(*other) : last(candidate);
        if (end >= last(block)) return NO_MORE_SUBNETS;
        candidate.first.bits = end + 1;
    }
    *granted = add(candidate, NULL);
    return GRANTED;
}

verdict policy_take_pool(prefix wanted, const prefix *sub_pool, const pool **granted) {
    if (wanted.length == 0) return INVALID_POOL; // would mean "no pool"
    if (sub_pool && (sub_pool->length < wanted.length || !contains(wanted, sub_pool->first)))
        return INVALID_SUB_POOL;
    if (in_the_way(wanted, NULL, 0)) return POOL_OVERLAP;
    *granted = add(wanted, sub_pool);
    return GRANTED;
}

verdict policy_release_pool(const char *id, size_t length) {
    pool *gone = find(id, length);
    if (!gone) return POOL_NOT_FOUND;
    free(gone->leases);
    *gone = pools[--pool_count];
    return GRANTED;
}

// --- addresses ---

// Where an address is among the leases, or would be.
static size_t position(const pool *p, bits address) {
    size_t low = 0, high = p->lease_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->leases[middle] < address) low = middle + 1;
        else high = middle;
    }
    return low;
}

static bool is_free(const pool *p, bits address) {
    size_t at = position(p, address);
    bool leased = at < p->lease_count && p->leases[at] == address;
    return !leased && !reserved(p->prefix, address);
}

// The first free address of the range, from one end of it to the other.
static bool choose(const pool *p, bool from_above, bits *chosen) {
    bits low = p->range.first.bits, high = last(p->range);
    *chosen = from_above ? high : low;
    while (!is_free(p, *chosen)) {
        if (*chosen == (from_above ? low : high)) return false;
        *chosen += from_above ? -(bits)1 : 1;
    }
    return true;
}

verdict policy_lease(const char *id, size_t length, const address *wanted, bool gateway,
                     address *leased, unsigned *pool_length) {
    pool *p = find(id, length);
    if (!p) return POOL_NOT_FOUND;
    *leased = (address){p->prefix.first.v6, 0};
    if (wanted) {
        if (!contains(p->prefix, *wanted)) return IP_OUT_OF_RANGE;
        if (!is_free(p, wanted->bits)) return IP_ALREADY_ALLOCATED;
        leased->bits = wanted->bits;
    } else if (!choose(p, gateway, &leased->bits)) {
        return NO_AVAILABLE_IPS;
    }
    size_t at = position(p, leased->bits);
    p->leases = resized(p->leases, p->lease_count + 1, sizeof *p->leases);
    memmove(p->leases + at + 1, p->leases + at, (p->lease_count - at) * sizeof *p->leases);
    p->leases[at] = leased->bits;
    p->lease_count++;
    *pool_length = p->prefix.length;
    return GRANTED;
}

verdict policy_release(const char *id, size_t length, address leased) {
    pool *p = find(id, length);
    if (!p) return POOL_NOT_FOUND;
    if (!contains(p->prefix, leased)) return IP_OUT_OF_RANGE;
    size_t at = position(p, leased.bits);
    if (at == p->lease_count || p->leases[at] != leased.bits) return GRANTED; // released twice
    p->lease_count--;
    memmove(p->leases + at, p->leases + at + 1, (p->lease_count - at) * sizeof *p->leases);
    return GRANTED;
}

// --- configuration ---

static bool parse(const char *text, bool v6, prefix *block) {
    char address[INET6_ADDRSTRLEN], *end;
    unsigned char bytes[16];
    size_t length = strcspn(text, "/");
    if (length >= sizeof address || !text[length] || !isdigit(text[length + 1])) return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) != 1) return false;
    unsigned long bits = strtoul(text + length + 1, &end, 10);
    if (*end || bits < 1 || bits > automatic_length[v6]) return false;
    *block = (prefix){{v6, 0}, (unsigned)bits};
    for (unsigned i = 0; i < width(v6) / 8; i++) block->first.bits = block->first.bits << 8 | bytes[i];
    return (block->first.bits & host_bits(*block)) == 0;
}

// The string that starts here, without its quotes. It needs no escapes.
static const char *string(const char *at, char *to, size_t size) {
    if (*at++ != '"') return NULL;
    size_t length = strcspn(at, "\"\\");
    if (at[length] != '"' || length >= size) return NULL;
    memcpy(to, at, length);
    to[length] = '\0';
    return at + length + 1;
}

static const char *skip(const char *at) { return at + strspn(at, " \t\r\n"); }

static bool configure(const char *at) {
    char key[8], value[64];
    if (*(at = skip(at)) != '{') return false;
    if (*(at = skip(at + 1)) != '}') {
        for (at--;;) {
            if (!(at = string(skip(at + 1), key, sizeof key))) return false;
            if (*(at = skip(at)) != ':') return false;
            if (!(at = string(skip(at + 1), value, sizeof value))) return false;
            bool v6 = strcmp(key, "ipv6") == 0;
            if (!v6 && strcmp(key, "ipv4") != 0) return false;
            if (!parse(value, v6, &blocks[v6])) return false;
            if (*(at = skip(at)) != ',') break;
        }
        if (*at != '}') return false;
    }
    return *skip(at + 1) == '\0';
}

verdict policy_start(const char *config, size_t length) {
    while (pool_count) free(pools[--pool_count].leases);
    parse("10.64.0.0/16", false, &blocks[false]);
    parse("fd64::/48", true, &blocks[true]);
    char *text = resized(NULL, length + 1, 1);
    memcpy(text, config, length);
    text[length] = '\0';
    bool understood = strlen(text) == length && configure(text);
    free(text);
    return understood ? GRANTED : INVALID_REQUEST;
}

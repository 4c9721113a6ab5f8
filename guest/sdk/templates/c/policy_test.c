// What the policy promises, row by row. Runs natively: `make test`.

#include "policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static int failures, checks;

static void check(bool holds, const char *file, int line, const char *what) {
    checks++;
    if (holds) return;
    failures++;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
}
#define CHECK(what) check((what), __FILE__, __LINE__, #what)

static address ip(const char *text) {
    unsigned char bytes[16];
    address read = {strchr(text, ':') != NULL, 0};
    if (inet_pton(read.v6 ? AF_INET6 : AF_INET, text, bytes) != 1) check(false, __FILE__, __LINE__, text);
    for (int i = 0; i < (read.v6 ? 16 : 4); i++) read.bits = read.bits << 8 | bytes[i];
    return read;
}

static bool same(address a, address b) { return a.v6 == b.v6 && a.bits == b.bits; }

static verdict start(const char *config) { return policy_start(config, strlen(config)); }

static verdict take(const char *first, unsigned length, const char **id) {
    const pool *granted;
    verdict verdict = policy_take_pool((prefix){ip(first), length}, NULL, &granted);
    if (verdict == GRANTED && id) *id = granted->id;
    return verdict;
}

// The automatic pool is this one.
static bool chooses(bool v6, int length, const char *excluded, const char *id) {
    const pool *granted;
    prefix exclude = {.length = 24};
    if (excluded) exclude.first = ip(excluded);
    return policy_choose_pool(v6, length, &exclude, excluded ? 1 : 0, &granted) == GRANTED &&
           strcmp(granted->id, id) == 0;
}

static verdict lease(const char *id, const char *wanted, const char *expected, bool gateway) {
    address leased, asked;
    unsigned length;
    if (wanted) asked = ip(wanted);
    verdict verdict = policy_lease(id, strlen(id), wanted ? &asked : NULL, gateway, &leased, &length);
    if (verdict == GRANTED) CHECK(same(leased, ip(expected ? expected : wanted)));
    return verdict;
}

static verdict any(const char *id, const char *expected) { return lease(id, NULL, expected, false); }

static verdict release(const char *id, const char *leased) {
    return policy_release(id, strlen(id), ip(leased));
}

static void automatic_pools_are_the_lowest_free_ones(void) {
    start("{}");
    CHECK(chooses(false, -1, NULL, "10.64.0.0/24"));
    CHECK(chooses(false, -1, "10.64.1.0", "10.64.2.0/24"));
    CHECK(chooses(false, 22, NULL, "10.64.4.0/22"));
    CHECK(chooses(true, -1, NULL, "fd64::/64"));
    CHECK(chooses(true, 128, NULL, "fd64:0:0:1::/128"));
    CHECK(policy_release_pool("10.64.0.0/24", 12) == GRANTED);
    CHECK(policy_release_pool("10.64.0.0/24", 12) == POOL_NOT_FOUND);
    CHECK(chooses(false, -1, NULL, "10.64.0.0/24"));
    const pool *granted;
    CHECK(policy_choose_pool(false, 15, NULL, 0, &granted) == INVALID_POOL);
    CHECK(policy_choose_pool(false, 33, NULL, 0, &granted) == INVALID_POOL);
    CHECK(policy_choose_pool(false, 16, NULL, 0, &granted) == NO_MORE_SUBNETS);
}

static void pools_by_name_must_be_free(void) {
    start("{}");
    CHECK(take("192.0.2.0", 24, NULL) == GRANTED);
    CHECK(take("192.0.2.0", 24, NULL) == POOL_OVERLAP);
    CHECK(take("192.0.2.128", 25, NULL) == POOL_OVERLAP);
    CHECK(take("192.0.0.0", 16, NULL) == POOL_OVERLAP);
    CHECK(take("0.0.0.0", 0, NULL) == INVALID_POOL);
}

static void addresses_are_leased_once(void) {
    const char *id = "";
    start("{}");
    CHECK(take("192.0.2.0", 29, &id) == GRANTED);
    CHECK(any(id, "192.0.2.1") == GRANTED);
    CHECK(lease(id, NULL, "192.0.2.6", true) == GRANTED); // a gateway
    CHECK(lease(id, "192.0.2.3", NULL, false) == GRANTED);
    CHECK(lease(id, "192.0.2.3", NULL, false) == IP_ALREADY_ALLOCATED);
    CHECK(lease(id, "192.0.2.0", NULL, false) == IP_ALREADY_ALLOCATED);
    CHECK(lease(id, "192.0.2.7", NULL, false) == IP_ALREADY_ALLOCATED);
    CHECK(lease(id, "192.0.2.8", NULL, false) == IP_OUT_OF_RANGE);
    CHECK(lease(id, "2001:db8::1", NULL, false) == IP_OUT_OF_RANGE);
    CHECK(any(id, "192.0.2.2") == GRANTED);
    CHECK(any(id, "192.0.2.4") == GRANTED);
    CHECK(any(id, "192.0.2.5") == GRANTED);
    CHECK(any(id, "") == NO_AVAILABLE_IPS);
    CHECK(release(id, "192.0.2.3") == GRANTED);
    CHECK(release(id, "192.0.2.3") == GRANTED);
    CHECK(release(id, "192.0.2.9") == IP_OUT_OF_RANGE);
    CHECK(any(id, "192.0.2.3") == GRANTED);
    CHECK(any("192.0.2.0/2", "") == POOL_NOT_FOUND);
}

static void small_pools_have_no_reserved_addresses(void) {
    static const struct { const char *first; unsigned length; const char *addresses[4]; } rows[] = {
        {"192.0.2.0", 30, {"192.0.2.1", "192.0.2.2"}},
        {"192.0.2.0", 31, {"192.0.2.0", "192.0.2.1"}},
        {"192.0.2.1", 32, {"192.0.2.1"}},
        {"255.255.255.254", 31, {"255.255.255.254", "255.255.255.255"}},
        {"2001:db8::", 126, {"2001:db8::1", "2001:db8::2", "2001:db8::3"}},
        {"2001:db8::", 127, {"2001:db8::", "2001:db8::1"}},
        {"2001:db8::1", 128, {"2001:db8::1"}},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        const char *id = "";
        start("{}");
        CHECK(take(rows[row].first, rows[row].length, &id) == GRANTED);
        for (const char *const *next = rows[row].addresses; *next; next++) CHECK(any(id, *next) == GRANTED);
        CHECK(any(id, "") == NO_AVAILABLE_IPS);
    }
}

static void a_sub_pool_is_where_automatic_addresses_come_from(void) {
    const pool *granted;
    prefix whole = {ip("192.0.2.0"), 24}, part = {ip("192.0.2.128"), 31}, other = {ip("192.0.3.0"), 25};
    start("{}");
    CHECK(policy_take_pool(whole, &other, &granted) == INVALID_SUB_POOL);
    CHECK(policy_take_pool(part, &whole, &granted) == INVALID_SUB_POOL);
    CHECK(policy_take_pool(whole, &part, &granted) == GRANTED);
    const char *id = granted->id;
    CHECK(strcmp(id, "192.0.2.0/24/192.0.2.128/31") == 0);
    CHECK(any(id, "192.0.2.128") == GRANTED);
    CHECK(any(id, "192.0.2.129") == GRANTED);
    CHECK(any(id, "") == NO_AVAILABLE_IPS);
    CHECK(lease(id, "192.0.2.9", NULL, false) == GRANTED);
}

static void the_operator_says_where_pools_come_from(void) {
    CHECK(start(" { \"ipv4\" : \"10.9.0.0/24\", \"ipv6\":\"2001:db8::/64\" } ") == GRANTED);
    CHECK(chooses(false, -1, NULL, "10.9.0.0/24"));
    CHECK(chooses(true, -1, NULL, "2001:db8::/64"));
    static const char *const wrong[] = {
        "", "[]", "{", "{}x", "{\"ipv4\":4}", "{\"ipv5\":\"10.0.0.0/8\"}", "{\"ipv4\":\"10.0.0.0/8\",}",
        "{\"ipv4\":\"10.0.0.1/8\"}", "{\"ipv4\":\"10.0.0.0/25\"}", "{\"ipv4\":\"10.0.0.0\"}",
        "{\"ipv4\":\"10.0.0.0/ 8\"}", "{\"ipv4\":\"fd64::/48\"}", "{\"ipv4\":\"0.0.0.0/0\"}",
    };
    for (size_t row = 0; row < sizeof wrong / sizeof *wrong; row++)
        check(start(wrong[row]) == INVALID_REQUEST, __FILE__, __LINE__, wrong[row]);
}

int main(void) {
    automatic_pools_are_the_lowest_free_ones();
    pools_by_name_must_be_free();
    addresses_are_leased_once();
    small_pools_have_no_reserved_addresses();
    a_sub_pool_is_where_automatic_addresses_come_from();
    the_operator_says_where_pools_come_from();
    printf("%d passed, %d failed\n", checks - failures, failures);
    return failures ? 1 : 0;
}

// Where the host's calls meet the policy. Types and names of functions come
// from bindings/ipam_driver.h, which `wit-bindgen c` made of wit/.
//
// Who frees what: a function owns what it was asked, and frees it; what it
// answers belongs to the bindings, so strings in it must be copies.

#include "bindings/ipam_driver.h"
#include "policy.h"

#include <stdlib.h>
#include <string.h>

static const char NAME[] = "@NAME@";

static bool equal(ipam_driver_string_t a, const char *b) {
    return a.len == strlen(b) && memcmp(a.ptr, b, a.len) == 0;
}

// An instance that was never started answers with its defaults.
static void ensure_started(void) {
    static bool started;
    if (!started) policy_start("{}", 2);
    started = true;
}

// --- between the contract's types and the policy's ---

static address read_address(const ipam_driver_types_ip_address_t *from) {
    if (from->tag == IPAM_DRIVER_TYPES_IP_ADDRESS_IPV4) {
        ipam_driver_tuple4_u8_u8_u8_u8_t b = from->val.ipv4;
        return (address){false, (bits)b.f0 << 24 | (bits)b.f1 << 16 | (bits)b.f2 << 8 | b.f3};
    }
    ipam_driver_tuple8_u16_u16_u16_u16_u16_u16_u16_u16_t g = from->val.ipv6;
    return (address){true, (bits)g.f0 << 112 | (bits)g.f1 << 96 | (bits)g.f2 << 80 |
                               (bits)g.f3 << 64 | (bits)g.f4 << 48 | (bits)g.f5 << 32 |
                               (bits)g.f6 << 16 | g.f7};
}

static ipam_driver_types_ip_address_t write_address(address from) {
    ipam_driver_types_ip_address_t to;
    bits b = from.bits;
    if (from.v6) {
        to.tag = IPAM_DRIVER_TYPES_IP_ADDRESS_IPV6;
        to.val.ipv6 = (ipam_driver_tuple8_u16_u16_u16_u16_u16_u16_u16_u16_t){
            (uint16_t)(b >> 112), (uint16_t)(b >> 96), (uint16_t)(b >> 80), (uint16_t)(b >> 64),
            (uint16_t)(b >> 48),  (uint16_t)(b >> 32), (uint16_t)(b >> 16), (uint16_t)b};
    } else {
        to.tag = IPAM_DRIVER_TYPES_IP_ADDRESS_IPV4;
        to.val.ipv4 = (ipam_driver_tuple4_u8_u8_u8_u8_t){(uint8_t)(b >> 24), (uint8_t)(b >> 16),
                                                         (uint8_t)(b >> 8), (uint8_t)b};
    }
    return to;
}

static prefix read_prefix(const ipam_driver_types_prefix_t *from) {
    return (prefix){read_address(&from->address), from->length};
}

// What the functions below return: whether it was granted, or else why not. An
// empty text stands for the contract's own words.
static bool answer(verdict verdict, const char *text, ipam_driver_types_error_t *error) {
    static const uint8_t tags[] = {
        [INVALID_ADDRESS_SPACE] = IPAM_DRIVER_TYPES_ERROR_INVALID_ADDRESS_SPACE,
        [INVALID_POOL] = IPAM_DRIVER_TYPES_ERROR_INVALID_POOL,
        [INVALID_SUB_POOL] = IPAM_DRIVER_TYPES_ERROR_INVALID_SUB_POOL,
        [INVALID_REQUEST] = IPAM_DRIVER_TYPES_ERROR_INVALID_REQUEST,
        [POOL_NOT_FOUND] = IPAM_DRIVER_TYPES_ERROR_POOL_NOT_FOUND,
        [NO_AVAILABLE_IPS] = IPAM_DRIVER_TYPES_ERROR_NO_AVAILABLE_IPS,
        [IP_ALREADY_ALLOCATED] = IPAM_DRIVER_TYPES_ERROR_IP_ALREADY_ALLOCATED,
        [IP_OUT_OF_RANGE] = IPAM_DRIVER_TYPES_ERROR_IP_OUT_OF_RANGE,
        [POOL_OVERLAP] = IPAM_DRIVER_TYPES_ERROR_POOL_OVERLAP,
        [NO_MORE_SUBNETS] = IPAM_DRIVER_TYPES_ERROR_NO_MORE_SUBNETS,
    };
    if (verdict == GRANTED) return true;
    error->tag = tags[verdict];
    // Every case but `other` holds a string, and all at the same place.
    ipam_driver_string_dup(&error->val.invalid_request, text);
    return false;
}

// --- lifecycle ---

bool exports_ipam_driver_lifecycle_start(exports_ipam_driver_lifecycle_start_request_t *request,
                                         ipam_driver_types_error_t *error) {
    bool is_ours = !request->name.is_some || equal(request->name.val, NAME);
    ensure_started();
    verdict verdict = policy_start((const char *)request->config.ptr, request->config.len);
    exports_ipam_driver_lifecycle_start_request_free(request);
    if (!is_ours) return answer(INVALID_REQUEST, "this component has one driver", error);
    if (verdict != GRANTED)
        return answer(verdict, "expected {\"ipv4\": PREFIX, \"ipv6\": PREFIX} or part of it", error);
    ipam_driver_string_t name, line;
    ipam_driver_string_set(&name, NAME);
    ipam_driver_string_set(&line, "automatic pools are /24 and /64");
    ipam_driver_log_log(IPAM_DRIVER_LOG_LEVEL_DEBUG, &line);
    // All state is memory: a new instance is to be told what is granted.
    ipam_driver_types_capability_t capability = {.requires_request_replay = true};
    return ipam_driver_callback_register_ipam_driver_with_capabilities(&name, &capability, error);
}

// --- ipam ---

bool exports_ipam_driver_ipam_get_default_address_spaces(
    exports_ipam_driver_ipam_address_spaces_t *spaces, ipam_driver_types_error_t *error) {
    (void)error;
    ipam_driver_string_dup(&spaces->local, NAME);
    ipam_driver_string_dup(&spaces->global, NAME);
    return true;
}

static verdict choose_pool(bool v6, int length, exports_ipam_driver_ipam_list_prefix_t list,
                           const pool **granted) {
    prefix *exclude = malloc((list.len + 1) * sizeof *exclude);
    if (!exclude) abort();
    for (size_t i = 0; i < list.len; i++) exclude[i] = read_prefix(&list.ptr[i]);
    verdict verdict = policy_choose_pool(v6, length, exclude, list.len, granted);
    free(exclude);
    return verdict;
}

static verdict request_pool(const exports_ipam_driver_ipam_pool_request_t *request,
                            const pool **granted) {
    const exports_ipam_driver_ipam_pool_choice_t *choice = &request->pool;
    prefix sub_pool = read_prefix(&request->sub_pool.val);
    bool has_sub_pool = request->sub_pool.is_some;
    if (!equal(request->address_space, NAME)) return INVALID_ADDRESS_SPACE;
    switch (choice->tag) {
    case EXPORTS_IPAM_DRIVER_IPAM_POOL_CHOICE_EXACT:
        return policy_take_pool(read_prefix(&choice->val.exact), has_sub_pool ? &sub_pool : NULL, granted);
    case EXPORTS_IPAM_DRIVER_IPAM_POOL_CHOICE_SIZED:
        if (has_sub_pool) return INVALID_SUB_POOL;
        return choose_pool(choice->val.sized.f0 == IPAM_DRIVER_TYPES_FAMILY_IPV6,
                           choice->val.sized.f1, request->exclude, granted);
    default: // automatic
        if (has_sub_pool) return INVALID_SUB_POOL;
        return choose_pool(choice->val.automatic == IPAM_DRIVER_TYPES_FAMILY_IPV6, -1,
                           request->exclude, granted);
    }
}

bool exports_ipam_driver_ipam_request_pool(exports_ipam_driver_ipam_pool_request_t *request,
                                           exports_ipam_driver_ipam_pool_grant_t *grant,
                                           ipam_driver_types_error_t *error) {
    const pool *granted;
    ensure_started();
    verdict verdict = request_pool(request, &granted);
    exports_ipam_driver_ipam_pool_request_free(request);
    if (verdict != GRANTED) return answer(verdict, "", error);
    memset(grant, 0, sizeof *grant); // no data
    ipam_driver_string_dup(&grant->pool_id, granted->id);
    grant->pool.address = write_address(granted->prefix.first);
    grant->pool.length = (uint8_t)granted->prefix.length;
    return true;
}

bool exports_ipam_driver_ipam_release_pool(ipam_driver_string_t *id,
                                           ipam_driver_types_error_t *error) {
    verdict verdict = policy_release_pool((const char *)id->ptr, id->len);
    ipam_driver_string_free(id);
    return answer(verdict, "", error);
}

bool exports_ipam_driver_ipam_request_address(ipam_driver_string_t *id,
                                              ipam_driver_types_ip_address_t *maybe_address,
                                              ipam_driver_types_options_t *options,
                                              exports_ipam_driver_ipam_address_grant_t *grant,
                                              ipam_driver_types_error_t *error) {
    bool gateway = false;
    for (size_t i = 0; i < options->len; i++)
        gateway |= equal(options->ptr[i].f0, "RequestAddressType") &&
                   equal(options->ptr[i].f1, "com.docker.network.gateway");
    address wanted, leased;
    if (maybe_address) wanted = read_address(maybe_address);
    unsigned length;
    verdict verdict = policy_lease((const char *)id->ptr, id->len, maybe_address ? &wanted : NULL,
                                   gateway, &leased, &length);
    ipam_driver_string_free(id);
    ipam_driver_types_options_free(options);
    if (verdict != GRANTED) return answer(verdict, "", error);
    memset(grant, 0, sizeof *grant); // no data
    grant->address.is_some = true;
    grant->address.val.address = write_address(leased);
    grant->address.val.prefix_length = (uint8_t)length;
    return true;
}

bool exports_ipam_driver_ipam_release_address(ipam_driver_string_t *id,
                                              ipam_driver_types_ip_address_t *leased,
                                              ipam_driver_types_error_t *error) {
    verdict verdict = policy_release((const char *)id->ptr, id->len, read_address(leased));
    ipam_driver_string_free(id);
    return answer(verdict, "", error);
}

bool exports_ipam_driver_ipam_is_built_in(void) { return false; }

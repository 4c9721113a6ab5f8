// Package policy decides which pool and which address.
//
// It is plain Go that knows nothing of WebAssembly, so that its tests run
// natively. In: what the host asks. Out: what to propose, or one of the
// contract's errors.
//
// The state is a cache: an instance may be dropped between any two calls, and a
// new one is told what is granted as exact requests. That works because ids
// follow from prefixes. The same requests must get the same answers, so nothing
// here depends on the order of a map.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
)

// The contract's errors, by their names in wit/types.wit.
var (
	ErrInvalidAddressSpace = errors.New("invalid-address-space")
	ErrInvalidPool         = errors.New("invalid-pool")
	ErrInvalidSubPool      = errors.New("invalid-sub-pool")
	ErrInvalidRequest      = errors.New("invalid-request")
	ErrPoolNotFound        = errors.New("pool-not-found")
	ErrNoAvailableIPs      = errors.New("no-available-ips")
	ErrIPAlreadyAllocated  = errors.New("ip-already-allocated")
	ErrIPOutOfRange        = errors.New("ip-out-of-range")
	ErrPoolOverlap         = errors.New("pool-overlap")
	ErrNoMoreSubnets       = errors.New("no-more-subnets")
)

// A Family has a length for the pools that are automatic, and a block that they
// come from.
type Family struct {
	length int
	block  netip.Prefix
}

// A Policy grants pools from one block of each family, and pools by name.
type Policy struct {
	ipv4, ipv6 Family
	pools      map[string]*pool
}

type pool struct {
	prefix netip.Prefix
	source netip.Prefix // where automatic addresses come from: the sub-pool, if any
	leases map[netip.Addr]bool
}

// New makes a policy of the operator's table, a JSON object: the two blocks.
func New(config string) (*Policy, error) {
	table := struct{ IPv4, IPv6 netip.Prefix }{
		netip.MustParsePrefix("10.64.0.0/16"),
		netip.MustParsePrefix("fd64::/48"),
	}
	if !bytes.HasPrefix(bytes.TrimSpace([]byte(config)), []byte("{")) {
		return nil, fmt.Errorf("%w: expected an object", ErrInvalidRequest)
	}
	decoder := json.NewDecoder(bytes.NewBufferString(config))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&table); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRequest, err)
	}
	policy := &Policy{Family{24, table.IPv4}, Family{64, table.IPv6}, map[string]*pool{}}
	for _, family := range []Family{policy.ipv4, policy.ipv6} {
		block := family.block
		isRight := block.Addr().Is4() == (family.length == 24) && block == block.Masked()
		if !isRight || block.Bits() < 1 || block.Bits() > family.length {
			return nil, fmt.Errorf("%w: %s is no block of automatic pools", ErrInvalidRequest, block)
		}
	}
	return policy, nil
}

// --- pools ---

// TakePool grants this very pool, if nothing is in its way. There is no
// sub-pool if it is not valid.
func (p *Policy) TakePool(prefix, subPool netip.Prefix) (string, error) {
	if prefix.Bits() == 0 {
		return "", ErrInvalidPool // would mean "no pool"
	}
	if subPool.IsValid() && (subPool.Bits() < prefix.Bits() || !prefix.Contains(subPool.Addr())) {
		return "", ErrInvalidSubPool
	}
	if p.inTheWay(prefix, nil).IsValid() {
		return "", ErrPoolOverlap
	}
	return p.add(prefix, subPool), nil
}

// ChoosePool grants the lowest free pool of a family, of any length if that is
// negative. What is in the way is jumped over whole: a /48 has too many /128s
// to try them.
func (p *Policy) ChoosePool(is6 bool, length int, exclude []netip.Prefix) (string, netip.Prefix, error) {
	family := p.ipv4
	if is6 {
		family = p.ipv6
	}
	if length < 0 {
		length = family.length
	}
	if length < family.block.Bits() || length > family.block.Addr().BitLen() {
		return "", netip.Prefix{}, ErrInvalidPool
	}
	candidate := netip.PrefixFrom(family.block.Addr(), length)
	for {
		other := p.inTheWay(candidate, exclude)
		if !other.IsValid() {
			return p.add(candidate, netip.Prefix{}), candidate, nil
		}
		end := last(candidate)
		if last(other).Compare(end) > 0 {
			end = last(other)
		}
		if end.Compare(last(family.block)) >= 0 {
			return "", netip.Prefix{}, ErrNoMoreSubnets
		}
		candidate = netip.PrefixFrom(end.Next(), length)
	}
}

func (p *Policy) ReleasePool(id string) error {
	if p.pools[id] == nil {
		return ErrPoolNotFound
	}
	delete(p.pools, id)
	return nil
}

// What overlaps the candidate and ends last, so that it does not depend on the
// order of a map.
func (p *Policy) inTheWay(candidate netip.Prefix, exclude []netip.Prefix) netip.Prefix {
	var found netip.Prefix
	look := func(other netip.Prefix) {
		if other.Overlaps(candidate) && (!found.IsValid() || last(other).Compare(last(found)) > 0) {
			found = other
		}
	}
	for _, pool := range p.pools {
		look(pool.prefix)
	}
	for _, prefix := range exclude {
		look(prefix)
	}
	return found
}

func (p *Policy) add(prefix, subPool netip.Prefix) string {
	// An id says what it stands for, so that a new instance finds the same.
	id, source := prefix.String(), prefix
	if subPool.IsValid() {
		id, source = id+"/"+subPool.String(), subPool
	}
	p.pools[id] = &pool{prefix, source, map[netip.Addr]bool{}}
	return id
}

// --- addresses ---

// RequestAddress leases this very address, or any if it is not valid; it comes
// with the length of its pool.
func (p *Policy) RequestAddress(id string, address netip.Addr, isGateway bool) (netip.Prefix, error) {
	pool := p.pools[id]
	switch {
	case pool == nil:
		return netip.Prefix{}, ErrPoolNotFound
	case !address.IsValid():
		if address = pool.choose(isGateway); !address.IsValid() {
			return netip.Prefix{}, ErrNoAvailableIPs
		}
	case !pool.prefix.Contains(address):
		return netip.Prefix{}, ErrIPOutOfRange
	case !pool.isFree(address):
		return netip.Prefix{}, ErrIPAlreadyAllocated
	}
	pool.leases[address] = true
	return netip.PrefixFrom(address, pool.prefix.Bits()), nil
}

func (p *Policy) ReleaseAddress(id string, address netip.Addr) error {
	pool := p.pools[id]
	if pool == nil {
		return ErrPoolNotFound
	}
	if !pool.prefix.Contains(address) {
		return ErrIPOutOfRange
	}
	delete(pool.leases, address) // also when it is released twice
	return nil
}

func (p *pool) isFree(address netip.Addr) bool {
	return !p.leases[address] && !p.isReserved(address)
}

// The lowest free address, or the highest one: for a gateway.
func (p *pool) choose(isGateway bool) netip.Addr {
	address, next := p.source.Addr(), netip.Addr.Next
	if isGateway {
		address, next = last(p.source), netip.Addr.Prev
	}
	for p.source.Contains(address) && !p.isFree(address) {
		address = next(address)
	}
	if !p.source.Contains(address) {
		return netip.Addr{}
	}
	return address
}

// Network and broadcast address, and the anycast address of IPv6's routers, are
// never leased; pools of one or two addresses have none.
func (p *pool) isReserved(address netip.Addr) bool {
	if address.BitLen()-p.prefix.Bits() <= 1 {
		return false
	}
	return address == p.prefix.Addr() || address.Is4() && address == last(p.prefix)
}

// The last address of a prefix.
func last(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	address, _ := netip.AddrFromSlice(bytes)
	return address
}

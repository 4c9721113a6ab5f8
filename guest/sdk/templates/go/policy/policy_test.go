// What the policy promises, row by row. Runs natively: `make test`.
package policy

import (
	"errors"
	"net/netip"
	"testing"
)

type promises struct {
	*testing.T
	*Policy
}

func start(t *testing.T, config string) promises {
	t.Helper()
	policy, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return promises{t, policy}
}

func (p promises) is(found, want string, err, wantErr error) string {
	p.Helper()
	if !errors.Is(err, wantErr) || err == nil && found != want {
		p.Errorf("expected %q, %v; found %q, %v", want, wantErr, found, err)
	}
	return found
}

func prefix(text string) netip.Prefix {
	if text == "" {
		return netip.Prefix{}
	}
	return netip.MustParsePrefix(text)
}

func (p promises) take(text, subPool string, wantErr error) string {
	p.Helper()
	id, err := p.TakePool(prefix(text), prefix(subPool))
	return p.is(id, id, err, wantErr)
}

func (p promises) choose(is6 bool, length int, exclude, want string, wantErr error) {
	p.Helper()
	var excluded []netip.Prefix
	if exclude != "" {
		excluded = append(excluded, prefix(exclude))
	}
	id, _, err := p.ChoosePool(is6, length, excluded)
	p.is(id, want, err, wantErr)
}

func (p promises) any(id, want string, wantErr error) {
	p.Helper()
	leased, err := p.RequestAddress(id, netip.Addr{}, false)
	p.is(leased.Addr().String(), want, err, wantErr)
}

func (p promises) lease(id, address string, wantErr error) {
	p.Helper()
	leased, err := p.RequestAddress(id, netip.MustParseAddr(address), false)
	p.is(leased.Addr().String(), address, err, wantErr)
}

func (p promises) release(id, address string, wantErr error) {
	p.Helper()
	p.is("", "", p.ReleaseAddress(id, netip.MustParseAddr(address)), wantErr)
}

func TestAutomaticPoolsAreTheLowestFreeOnes(t *testing.T) {
	p := start(t, "{}")
	p.choose(false, -1, "", "10.64.0.0/24", nil)
	p.choose(false, -1, "10.64.1.0/24", "10.64.2.0/24", nil)
	p.choose(false, -1, "0.0.0.0/0", "", ErrNoMoreSubnets)
	p.choose(false, 22, "", "10.64.4.0/22", nil)
	p.choose(false, 15, "", "", ErrInvalidPool)
	p.choose(false, 16, "", "", ErrNoMoreSubnets)
	p.choose(false, 33, "", "", ErrInvalidPool)
	p.choose(true, -1, "", "fd64::/64", nil)
	p.choose(true, 128, "", "fd64:0:0:1::/128", nil)
	p.is("", "", p.ReleasePool("10.64.0.0/24"), nil)
	p.is("", "", p.ReleasePool("10.64.0.0/24"), ErrPoolNotFound)
	p.choose(false, -1, "", "10.64.0.0/24", nil)
}

func TestPoolsByNameMustBeFree(t *testing.T) {
	p := start(t, "{}")
	p.take("192.0.2.0/24", "", nil)
	for _, taken := range []string{"192.0.2.0/24", "192.0.2.128/25", "192.0.0.0/16"} {
		p.take(taken, "", ErrPoolOverlap)
	}
	p.take("0.0.0.0/0", "", ErrInvalidPool)
}

func TestAddressesAreLeasedOnce(t *testing.T) {
	p := start(t, "{}")
	id := p.take("192.0.2.0/29", "", nil)
	p.any(id, "192.0.2.1", nil)
	gateway, err := p.RequestAddress(id, netip.Addr{}, true)
	p.is(gateway.String(), "192.0.2.6/29", err, nil)
	p.lease(id, "192.0.2.3", nil)
	for _, taken := range []string{"192.0.2.3", "192.0.2.0", "192.0.2.7"} {
		p.lease(id, taken, ErrIPAlreadyAllocated)
	}
	for _, outside := range []string{"192.0.2.8", "2001:db8::1"} {
		p.lease(id, outside, ErrIPOutOfRange)
	}
	for _, next := range []string{"192.0.2.2", "192.0.2.4", "192.0.2.5"} {
		p.any(id, next, nil)
	}
	p.any(id, "", ErrNoAvailableIPs)
	p.release(id, "192.0.2.3", nil)
	p.release(id, "192.0.2.3", nil) // releasing twice is no error
	p.release(id, "192.0.2.9", ErrIPOutOfRange)
	p.any(id, "192.0.2.3", nil)
	p.any("unknown", "", ErrPoolNotFound)
}

func TestSmallPoolsHaveNoReservedAddresses(t *testing.T) {
	for pool, addresses := range map[string][]string{
		"192.0.2.0/30":       {"192.0.2.1", "192.0.2.2"},
		"192.0.2.0/31":       {"192.0.2.0", "192.0.2.1"},
		"192.0.2.1/32":       {"192.0.2.1"},
		"255.255.255.254/31": {"255.255.255.254", "255.255.255.255"},
		"2001:db8::/126":     {"2001:db8::1", "2001:db8::2", "2001:db8::3"},
		"2001:db8::/127":     {"2001:db8::", "2001:db8::1"},
		"2001:db8::1/128":    {"2001:db8::1"},
	} {
		p := start(t, "{}")
		id := p.take(pool, "", nil)
		for _, address := range addresses {
			p.any(id, address, nil)
		}
		p.any(id, "", ErrNoAvailableIPs)
	}
}

func TestASubPoolIsWhereAutomaticAddressesComeFrom(t *testing.T) {
	p := start(t, "{}")
	for _, wrong := range []string{"192.0.3.0/25", "192.0.0.0/16", "2001:db8::/64"} {
		p.take("192.0.2.0/24", wrong, ErrInvalidSubPool)
	}
	id := p.take("192.0.2.0/24", "192.0.2.128/31", nil)
	p.is(id, "192.0.2.0/24/192.0.2.128/31", nil, nil)
	p.any(id, "192.0.2.128", nil)
	p.any(id, "192.0.2.129", nil)
	p.any(id, "", ErrNoAvailableIPs)
	p.lease(id, "192.0.2.9", nil)
}

func TestTheOperatorSaysWherePoolsComeFrom(t *testing.T) {
	p := start(t, `{"ipv4": "10.9.0.0/24", "ipv6": "2001:db8::/64"}`)
	p.choose(false, -1, "", "10.9.0.0/24", nil)
	p.choose(true, -1, "", "2001:db8::/64", nil)
	for _, wrong := range []string{
		"", "[]", "null", `{"ipv4": 4}`, `{"ipv4": ""}`, `{"ipv5": "10.0.0.0/8"}`, `{"ipv4": "10.0.0.1/8"}`,
		`{"ipv4": "10.0.0.0/25"}`, `{"ipv4": "fd64::/48"}`, `{"ipv4": "0.0.0.0/0"}`,
	} {
		if _, err := New(wrong); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

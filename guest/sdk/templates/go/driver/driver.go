// Package driver is where the host's calls meet the policy.
//
// Types and names of functions come from bindings/, which `wit-bindgen go` made
// of wit/. A panic is a trap: its message and stack reach the operator's log,
// and the host drops the instance and builds a new one.
package driver

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	callback "driver/bindings/ipam_driver_callback"
	ipam "driver/bindings/ipam_driver_ipam"
	lifecycle "driver/bindings/ipam_driver_lifecycle"
	log "driver/bindings/ipam_driver_log"
	types "driver/bindings/ipam_driver_types"
	"driver/policy"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

const name = "@NAME@"

type (
	nothing = wit.Result[wit.Unit, types.Error]
	option  = wit.Tuple2[string, string]
)

var gateway = option{F0: "RequestAddressType", F1: "com.docker.network.gateway"}

// An instance that was never started answers with its defaults.
var state = defaults()

func defaults() *policy.Policy {
	state, err := policy.New("{}")
	if err != nil {
		panic(err)
	}
	return state
}

func Start(request lifecycle.StartRequest) nothing {
	if request.Name.IsSome() && request.Name.Some() != name {
		return refuse[wit.Unit](policy.ErrInvalidRequest)
	}
	configured, err := policy.New(request.Config)
	if err != nil {
		return refuse[wit.Unit](err)
	}
	state = configured
	log.Log(log.LevelDebug, "automatic pools are /24 and /64")
	// All state is memory: a new instance is to be told what is granted.
	return callback.RegisterIpamDriverWithCapabilities(name, types.Capability{RequiresRequestReplay: true})
}

func GetDefaultAddressSpaces() wit.Result[ipam.AddressSpaces, types.Error] {
	return wit.Ok[ipam.AddressSpaces, types.Error](ipam.AddressSpaces{Local: name, Global: name})
}

func RequestPool(request ipam.PoolRequest) wit.Result[ipam.PoolGrant, types.Error] {
	if request.AddressSpace != name {
		return refuse[ipam.PoolGrant](policy.ErrInvalidAddressSpace)
	}
	if request.Pool.Tag() != ipam.PoolChoiceExact && request.SubPool.IsSome() {
		return refuse[ipam.PoolGrant](policy.ErrInvalidSubPool)
	}
	var exclude []netip.Prefix
	for _, prefix := range request.Exclude {
		exclude = append(exclude, readPrefix(prefix))
	}
	var id string
	var prefix netip.Prefix
	var err error
	switch request.Pool.Tag() {
	case ipam.PoolChoiceExact:
		var subPool netip.Prefix
		if request.SubPool.IsSome() {
			subPool = readPrefix(request.SubPool.Some())
		}
		prefix = readPrefix(request.Pool.Exact())
		id, err = state.TakePool(prefix, subPool)
	case ipam.PoolChoiceSized:
		sized := request.Pool.Sized()
		id, prefix, err = state.ChoosePool(sized.F0 == types.FamilyIpv6, int(sized.F1), exclude)
	default:
		id, prefix, err = state.ChoosePool(request.Pool.Automatic() == types.FamilyIpv6, -1, exclude)
	}
	if err != nil {
		return refuse[ipam.PoolGrant](err)
	}
	pool := types.Prefix{Address: writeAddress(prefix.Addr()), Length: uint8(prefix.Bits())}
	return wit.Ok[ipam.PoolGrant, types.Error](ipam.PoolGrant{PoolId: id, Pool: pool})
}

func ReleasePool(id string) nothing {
	return done(state.ReleasePool(id))
}

func RequestAddress(
	id string, address wit.Option[types.IpAddress], options []option,
) wit.Result[ipam.AddressGrant, types.Error] {
	var wanted netip.Addr
	if address.IsSome() {
		wanted = readAddress(address.Some())
	}
	leased, err := state.RequestAddress(id, wanted, slices.Contains(options, gateway))
	if err != nil {
		return refuse[ipam.AddressGrant](err)
	}
	granted := types.InterfaceAddress{
		Address:      writeAddress(leased.Addr()),
		PrefixLength: uint8(leased.Bits()),
	}
	return wit.Ok[ipam.AddressGrant, types.Error](ipam.AddressGrant{Address: wit.Some(granted)})
}

func ReleaseAddress(id string, address types.IpAddress) nothing {
	return done(state.ReleaseAddress(id, readAddress(address)))
}

func IsBuiltIn() bool { return false }

// --- between the contract's types and the policy's ---

var refusals = []struct {
	err  error
	made func(string) types.Error
}{
	{policy.ErrInvalidAddressSpace, types.MakeErrorInvalidAddressSpace},
	{policy.ErrInvalidPool, types.MakeErrorInvalidPool},
	{policy.ErrInvalidSubPool, types.MakeErrorInvalidSubPool},
	{policy.ErrInvalidRequest, types.MakeErrorInvalidRequest},
	{policy.ErrPoolNotFound, types.MakeErrorPoolNotFound},
	{policy.ErrNoAvailableIPs, types.MakeErrorNoAvailableIps},
	{policy.ErrIPAlreadyAllocated, types.MakeErrorIpAlreadyAllocated},
	{policy.ErrIPOutOfRange, types.MakeErrorIpOutOfRange},
	{policy.ErrPoolOverlap, types.MakeErrorPoolOverlap},
	{policy.ErrNoMoreSubnets, types.MakeErrorNoMoreSubnets},
}

// The contract's error. Without a text the caller reads the contract's own
// words.
func refuse[T any](err error) wit.Result[T, types.Error] {
	for _, refusal := range refusals {
		if err == refusal.err {
			return wit.Err[T](refusal.made(""))
		}
		if errors.Is(err, refusal.err) {
			return wit.Err[T](refusal.made(err.Error()))
		}
	}
	panic(err)
}

func done(err error) nothing {
	if err != nil {
		return refuse[wit.Unit](err)
	}
	return wit.Ok[wit.Unit, types.Error](wit.Unit{})
}

func readAddress(address types.IpAddress) netip.Addr {
	if address.Tag() == types.IpAddressIpv4 {
		a := address.Ipv4()
		return netip.AddrFrom4([4]byte{a.F0, a.F1, a.F2, a.F3})
	}
	a := address.Ipv6()
	var bytes [16]byte
	for i, group := range []uint16{a.F0, a.F1, a.F2, a.F3, a.F4, a.F5, a.F6, a.F7} {
		binary.BigEndian.PutUint16(bytes[2*i:], group)
	}
	return netip.AddrFrom16(bytes)
}

func writeAddress(address netip.Addr) types.IpAddress {
	if address.Is4() {
		b := address.As4()
		return types.MakeIpAddressIpv4(wit.Tuple4[uint8, uint8, uint8, uint8]{F0: b[0], F1: b[1], F2: b[2], F3: b[3]})
	}
	b := address.As16()
	group := func(i int) uint16 { return binary.BigEndian.Uint16(b[2*i:]) }
	return types.MakeIpAddressIpv6(wit.Tuple8[uint16, uint16, uint16, uint16, uint16, uint16, uint16, uint16]{
		F0: group(0), F1: group(1), F2: group(2), F3: group(3),
		F4: group(4), F5: group(5), F6: group(6), F7: group(7),
	})
}

func readPrefix(prefix types.Prefix) netip.Prefix {
	return netip.PrefixFrom(readAddress(prefix.Address), int(prefix.Length))
}

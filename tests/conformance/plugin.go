// A plain IPAM plugin for Docker that keeps the contract, in Go's standard
// library alone: what `wipam test --docker-socket` finds nothing wrong with.
package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
)

type request struct {
	AddressSpace, Pool, SubPool, PoolID, Address string
	V6                                           bool
}

type pool struct {
	space  string
	prefix netip.Prefix
	from   netip.Prefix // where addresses without a name come from
	used   map[netip.Addr]bool
}

type reply map[string]any

var (
	mu    sync.Mutex
	pools = map[string]*pool{}
)

func taken(space string, prefix netip.Prefix) bool {
	for _, other := range pools {
		if other.space == space && other.prefix.Overlaps(prefix) {
			return true
		}
	}
	return false
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

// The lowest free pool of that length: behind each that is in the way.
func choose(space string, base netip.Prefix, length int) (netip.Prefix, string) {
	if length < base.Bits() || length > base.Addr().BitLen() {
		return netip.Prefix{}, "invalid address pool"
	}
	for at := base.Addr(); base.Contains(at); {
		prefix := netip.PrefixFrom(at, length).Masked()
		end := last(prefix)
		free := true
		for _, other := range pools {
			if other.space == space && other.prefix.Overlaps(prefix) {
				free = false
				if behind := last(other.prefix); end.Less(behind) {
					end = behind
				}
			}
		}
		if free {
			return prefix, ""
		}
		at = end.Next()
	}
	return netip.Prefix{}, "all predefined address pools have been fully subnetted"
}

func requestPool(r request) (reply, string) {
	if r.AddressSpace != "local" && r.AddressSpace != "global" {
		return nil, "invalid address space"
	}
	text := r.Pool
	if text == "" {
		text = "0.0.0.0/24"
		if r.V6 {
			text = "::/64"
		}
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, "invalid address pool"
	}
	if prefix.Addr().IsUnspecified() {
		base := netip.MustParsePrefix("10.90.0.0/20")
		if prefix.Addr().Is6() {
			base = netip.MustParsePrefix("fd90::/60")
		}
		var refused string
		if prefix, refused = choose(r.AddressSpace, base, prefix.Bits()); refused != "" {
			return nil, refused
		}
	}
	prefix = prefix.Masked()
	if taken(r.AddressSpace, prefix) {
		return nil, "Pool overlaps with other one on this address space"
	}
	from := prefix
	if r.SubPool != "" {
		from, err = netip.ParsePrefix(r.SubPool)
		if err != nil || from.Bits() < prefix.Bits() || !prefix.Contains(from.Addr()) {
			return nil, "invalid address subpool"
		}
	}
	id := r.AddressSpace + "/" + prefix.String()
	pools[id] = &pool{r.AddressSpace, prefix, from, map[netip.Addr]bool{}}
	return reply{"PoolID": id, "Pool": prefix.String(), "Data": reply{}}, ""
}

func releasePool(r request) (reply, string) {
	if pools[r.PoolID] == nil {
		return nil, "Address Pool not found"
	}
	delete(pools, r.PoolID)
	return reply{}, ""
}

// Whether nobody may have it: the network and, in IPv4, the broadcast address.
func reserved(prefix netip.Prefix, address netip.Addr) bool {
	if prefix.Bits() >= address.BitLen()-1 {
		return false
	}
	return address == prefix.Addr() || address.Is4() && address == last(prefix)
}

func requestAddress(r request) (reply, string) {
	p := pools[r.PoolID]
	if p == nil {
		return nil, "Address Pool not found"
	}
	address := p.from.Addr()
	if r.Address != "" {
		var err error
		if address, err = netip.ParseAddr(r.Address); err != nil || !p.prefix.Contains(address) {
			return nil, "requested address is out of range"
		}
		if p.used[address] || reserved(p.prefix, address) {
			return nil, "Address already in use"
		}
	} else {
		for p.used[address] || reserved(p.prefix, address) {
			address = address.Next()
		}
		if !p.from.Contains(address) {
			return nil, "no available addresses on this pool"
		}
	}
	p.used[address] = true
	return reply{"Address": netip.PrefixFrom(address, p.prefix.Bits()).String(), "Data": reply{}}, ""
}

func releaseAddress(r request) (reply, string) {
	p, address := pools[r.PoolID], netip.Addr{}
	if p == nil {
		return nil, "Address Pool not found"
	}
	address, err := netip.ParseAddr(r.Address)
	if err != nil {
		return nil, "Invalid Request"
	}
	delete(p.used, address)
	return reply{}, ""
}

func activate() reply {
	return reply{"Implements": []string{"IpamDriver"}}
}

func spaces() reply {
	return reply{"LocalDefaultAddressSpace": "local", "GlobalDefaultAddressSpace": "global"}
}

func capabilities() reply {
	return reply{"RequiresMACAddress": false, "RequiresRequestReplay": false}
}

// What Docker asks without a body.
func tell(method string, answer func() reply) {
	http.HandleFunc("/"+method, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(answer())
	})
}

// What Docker asks with one. When it asks again after a lost answer, it sends
// none: to take that for a request would grant something nobody knows of.
func handle(method string, answer func(request) (reply, string)) {
	http.HandleFunc("/IpamDriver."+method, func(w http.ResponseWriter, r *http.Request) {
		var asked request
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		said, refused := answer(asked)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/vnd.docker.plugins.v1.2+json")
		if refused != "" {
			w.WriteHeader(http.StatusBadRequest)
			said = reply{"Err": refused}
		}
		_ = json.NewEncoder(w).Encode(said)
	})
}

func main() {
	tell("Plugin.Activate", activate)
	tell("IpamDriver.GetCapabilities", capabilities)
	tell("IpamDriver.GetDefaultAddressSpaces", spaces)
	handle("RequestPool", requestPool)
	handle("ReleasePool", releasePool)
	handle("RequestAddress", requestAddress)
	handle("ReleaseAddress", releaseAddress)
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	panic(http.Serve(listener, nil))
}

// A plain IPAM plugin, as one would write it in an hour: net/http, and a map
// behind a mutex. What Wipam's speed is compared with.
package main

import (
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
)

type request struct {
	AddressSpace, Pool, SubPool, PoolID, Address string
	Options                                      map[string]string
	V6                                           bool
}

type pool struct {
	prefix netip.Prefix
	next   uint32
	used   map[netip.Addr]bool
}

var (
	mu    sync.Mutex
	pools = map[string]*pool{}
)

func requestPool(r request) (any, string) {
	prefix, err := netip.ParsePrefix(r.Pool)
	if err != nil {
		return nil, "invalid pool"
	}
	id := r.AddressSpace + "/" + prefix.String()
	pools[id] = &pool{prefix: prefix, next: 1, used: map[netip.Addr]bool{}}
	return map[string]any{"PoolID": id, "Pool": prefix.String(), "Data": map[string]string{}}, ""
}

func requestAddress(r request) (any, string) {
	p := pools[r.PoolID]
	if p == nil {
		return nil, "unknown pool"
	}
	base := p.prefix.Addr().As4()
	for {
		var bytes [4]byte
		binary.BigEndian.PutUint32(bytes[:], binary.BigEndian.Uint32(base[:])+p.next)
		p.next++
		address := netip.AddrFrom4(bytes)
		if !p.prefix.Contains(address) {
			return nil, "no available addresses"
		}
		if !p.used[address] {
			p.used[address] = true
			leased := netip.PrefixFrom(address, p.prefix.Bits()).String()
			return map[string]any{"Address": leased, "Data": map[string]string{}}, ""
		}
	}
}

func handle(path string, answer func(request) (any, string)) {
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
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
			said = map[string]string{"Err": refused}
		}
		_ = json.NewEncoder(w).Encode(said)
	})
}

func main() {
	http.HandleFunc("/Plugin.Activate", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"Implements":["IpamDriver"]}`))
	})
	handle("/IpamDriver.RequestPool", requestPool)
	handle("/IpamDriver.RequestAddress", requestAddress)
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	panic(http.Serve(listener, nil))
}

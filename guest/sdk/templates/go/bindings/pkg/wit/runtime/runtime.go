// Package runtime gives the host memory for what it passes. A module from
// go.bytecodealliance.org has more of it, under the same names.
package runtime

import (
	"runtime"
	"unsafe"
)

// What the host allocated and the bindings have not read yet.
var pinner runtime.Pinner

// Unpin leaves what the host allocated to the garbage collector, once there is
// a reference to it.
func Unpin() { pinner.Unpin() }

// Allocate returns memory that stays where it is until it is unpinned.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	if align > 8 {
		panic("nothing in the contract has such an alignment")
	}
	// Words, since a slice of bytes may begin anywhere.
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(memory)
	return memory
}

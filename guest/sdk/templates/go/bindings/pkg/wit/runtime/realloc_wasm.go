package runtime

import "unsafe"

// Set when Go's own runtime has started.
var hasStarted bool

func init() { hasStarted = true }

// What there is to allocate from before, and how much of it is taken, in words.
// The usual adapter takes two pages of 64 KiB.
var (
	early      [2 << 16 / 8]uint64
	earlyTaken uintptr
)

// The usual adapter keeps its clock still while this is set; adapter/adapter.wat
// has a clock of its own.
//
//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func setClockPaused(paused bool)

// The host calls this before it passes a string or a list. It may collect
// garbage, and that reads the clock; but a component may call no host function
// meanwhile. The usual adapter calls it too, for its own memory, as soon as Go
// asks for something while it starts.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, newSize uintptr) unsafe.Pointer {
	if !hasStarted {
		words := (newSize + 7) / 8
		if words > uintptr(len(early))-earlyTaken {
			panic("cabi_realloc: no memory is left before Go has started")
		}
		memory := unsafe.Add(unsafe.Pointer(&early), 8*earlyTaken)
		earlyTaken += words
		return memory
	}
	if old != nil || oldSize != 0 {
		panic("cabi_realloc: growing an allocation is not supported")
	}
	setClockPaused(true)
	memory := Allocate(&pinner, newSize, align)
	setClockPaused(false)
	return memory
}

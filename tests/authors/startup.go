// What Go's standard library takes for granted, looked for before the driver of
// `wipam new --lang go` starts: `tests/src/bin/authors.rs` builds it into that
// project, with the usual adapter, so that Wipam's own WASI answers.

package main

import (
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"time"
)

func init() {
	if len(os.Args) != 1 || os.Args[0] == "" || len(os.Environ()) != 0 {
		panic("the arguments are not a program's name alone, or there is an environment")
	}
	began := time.Now()
	woken := make(chan time.Time)
	go func() {
		time.Sleep(time.Hour)
		woken <- time.Now()
	}()
	select {
	case <-time.After(2 * time.Hour):
		panic("the later timer came first")
	case at := <-woken:
		if at.Sub(began) < time.Hour {
			panic("the clock does not show that an hour was slept")
		}
	}
	if _, err := os.ReadFile("/etc/passwd"); err == nil {
		panic("there are files")
	}
	if input, err := io.ReadAll(os.Stdin); err != nil || len(input) != 0 {
		panic("there is an input")
	}
	for range 3 {
		_ = make([]byte, 1<<20)
		runtime.GC()
	}
	println("started", rand.N(10) < 10)
}

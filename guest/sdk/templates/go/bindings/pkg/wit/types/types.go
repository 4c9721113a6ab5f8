// Package wit_types has the types of WIT that Go has no word for, as far as the
// contract needs them. A module from go.bytecodealliance.org has all of them,
// under the same names.
package wit_types

const (
	OptionNone = 0
	OptionSome = 1

	ResultOk  = 0
	ResultErr = 1
)

// An Option is a value or nothing.
type Option[T any] struct {
	tag   uint8
	value T
}

func None[T any]() Option[T]        { return Option[T]{} }
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

func (o Option[T]) Tag() uint8   { return o.tag }
func (o Option[T]) IsSome() bool { return o.tag == OptionSome }
func (o Option[T]) IsNone() bool { return o.tag == OptionNone }

// Some is the value. It panics if there is none.
func (o Option[T]) Some() T {
	if o.tag != OptionSome {
		panic("no value")
	}
	return o.value
}

// A Result is a value or an error.
type Result[T any, E any] struct {
	tag uint8
	ok  T
	err E
}

func Ok[T any, E any](value T) Result[T, E]  { return Result[T, E]{ok: value} }
func Err[T any, E any](value E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: value} }

func (r Result[T, E]) Tag() uint8  { return r.tag }
func (r Result[T, E]) IsOk() bool  { return r.tag == ResultOk }
func (r Result[T, E]) IsErr() bool { return r.tag == ResultErr }

// Ok is the value. It panics if there is an error.
func (r Result[T, E]) Ok() T {
	if r.tag != ResultOk {
		panic("an error, not a value")
	}
	return r.ok
}

// Err is the error. It panics if there is none.
func (r Result[T, E]) Err() E {
	if r.tag != ResultErr {
		panic("a value, not an error")
	}
	return r.err
}

type Unit struct{}

type Tuple2[T0 any, T1 any] struct {
	F0 T0
	F1 T1
}

type Tuple4[T0 any, T1 any, T2 any, T3 any] struct {
	F0 T0
	F1 T1
	F2 T2
	F3 T3
}

type Tuple8[T0 any, T1 any, T2 any, T3 any, T4 any, T5 any, T6 any, T7 any] struct {
	F0 T0
	F1 T1
	F2 T2
	F3 T3
	F4 T4
	F5 T5
	F6 T6
	F7 T7
}

module driver

go 1.25

require go.bytecodealliance.org/pkg v0.2.3

// Nothing is downloaded: what the bindings need of that module is here.
replace go.bytecodealliance.org/pkg => ./bindings/pkg

// A component has no main: the host calls what bindings/wit_exports exports.
package main

import _ "driver/bindings/wit_exports"

func main() {}

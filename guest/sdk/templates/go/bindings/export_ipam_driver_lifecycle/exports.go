// Package export_ipam_driver_lifecycle is where the bindings look for what
// answers the host.
package export_ipam_driver_lifecycle

import "driver/driver"

var Start = driver.Start

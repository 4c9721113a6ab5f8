// Package export_ipam_driver_ipam is where the bindings look for what answers
// the host.
package export_ipam_driver_ipam

import "driver/driver"

var (
	GetDefaultAddressSpaces = driver.GetDefaultAddressSpaces
	RequestPool             = driver.RequestPool
	ReleasePool             = driver.ReleasePool
	RequestAddress          = driver.RequestAddress
	ReleaseAddress          = driver.ReleaseAddress
	IsBuiltIn               = driver.IsBuiltIn
)

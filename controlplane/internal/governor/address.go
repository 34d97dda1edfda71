package governor

import (
	"net"
	"net/netip"
)

// AddressGroup is in whose name a connection is counted: its IPv4 address, or the
// /64 network of its IPv6 address, all of which one client may have. address is a
// host, with or without a port; what is no IP address is its own group.
func AddressGroup(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}

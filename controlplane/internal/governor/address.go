package governor

import (
	"net"
	"net/netip"
)

// AddressGroup returns the group that a connection is counted in: its IPv4 address,
// or the /64 network of its IPv6 address, because one client may have a whole such
// network. address is a host with or without a port. A host that is not an IP
// address is a group of its own.
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

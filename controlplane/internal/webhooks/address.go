package webhooks

import (
	"fmt"
	"net/netip"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

var (
	// local are the addresses of private networks and of this machine, which a host of
	// the configuration may have.
	local = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128")

	// metadata are addresses of cloud metadata services, which give out credentials, in
	// the networks of local. The other ones are link-local.
	metadata = prefixes("100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128", "168.63.129.16/32", "192.0.0.192/32")

	// special are networks that no public server has: for documentation, tests, protocols
	// and future use, and tunnels, which can lead to any address.
	special = prefixes("0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

	nat64  = netip.MustParsePrefix("64:ff9b::/96") // the last 32 bits are an IPv4 address
	global = netip.MustParsePrefix("2000::/3")     // public IPv6 addresses
)

// checkAddress returns an error if a webhook must not connect to the address. If allowed,
// it may be one of a private network or of this machine, but never of a metadata service.
func checkAddress(address netip.Addr, allowed bool) error {
	refused := func(what string) error {
		return fmt.Errorf("webhooks are not sent to %s, which is %s", address, what)
	}
	a := address.Unmap()
	switch {
	case !a.IsValid() || a.Zone() != "":
		return refused("not a plain address")
	case nat64.Contains(a):
		bytes := a.As16()
		return checkAddress(netip.AddrFrom4([4]byte(bytes[12:])), false)
	case a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), in(special, a):
		return refused("link-local, multicast or reserved")
	case in(metadata, a):
		return refused("the address of a metadata service")
	case in(local, a):
		if allowed {
			return nil
		}
		return refused("in a private network or this machine: if that is meant, name the host of the URL among the allowed hosts")
	case a.Is6() && !global.Contains(a):
		return refused("reserved")
	}
	return nil
}

func in(list []netip.Prefix, a netip.Addr) bool {
	for _, prefix := range list {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

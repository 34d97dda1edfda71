package webhooks

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckAddress_EachKindOfAddress_IsAsListed(t *testing.T) {
	t.Parallel()
	const public, private, never = "public", "private", "never"
	for address, kind := range map[string]string{
		"8.8.8.8": public, "1.1.1.1": public, "2606:4700:4700::1111": public, "172.32.0.1": public, "100.128.0.1": public,
		"::ffff:8.8.8.8": public, "64:ff9b::808:808": public, // 8.8.8.8 through NAT64

		"127.0.0.1": private, "127.8.9.10": private, "::1": private, "::ffff:127.0.0.1": private,
		"10.0.0.1": private, "172.16.0.1": private, "172.31.255.255": private, "192.168.1.1": private, "100.64.0.1": private,
		"fd12:3456::1": private, "fc00::1": private, "::ffff:10.1.2.3": private, "::ffff:192.168.0.1": private,

		"169.254.169.254": never, "169.254.0.1": never, "::ffff:169.254.169.254": never, "fe80::1": never, "fe80::1%eth0": never, "fd00:ec2::254": never,
		"100.100.100.200": never, "fd20:ce::254": never, "168.63.129.16": never, "192.0.0.192": never,
		"0.0.0.0": never, "0.1.2.3": never, "::": never, "::ffff:0.0.0.0": never, "::127.0.0.1": never,
		"224.0.0.1": never, "ff02::1": never, "255.255.255.255": never, "240.0.0.1": never,
		"192.0.2.1": never, "198.51.100.1": never, "203.0.113.9": never, "198.18.0.1": never, "2001:db8::1": never,
		"64:ff9b::7f00:1": never, "64:ff9b::a00:1": never, "64:ff9b::a9fe:a9fe": never, "64:ff9b:1::a00:1": never, // 127.0.0.1, 10.0.0.1, 169.254.169.254
		"2002:7f00:1::": never, "2001:0:1::": never, "fec0::1": never, "::ffff:0:7f00:1": never, // 6to4, Teredo, site-local, translated
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			a := netip.MustParseAddr(address)
			if kind == public {
				require.NoError(t, checkAddress(a, false))
			} else {
				require.Error(t, checkAddress(a, false))
			}
			if kind == never {
				require.Error(t, checkAddress(a, true))
			} else {
				require.NoError(t, checkAddress(a, true))
			}
		})
	}
	require.Error(t, checkAddress(netip.Addr{}, true))
}

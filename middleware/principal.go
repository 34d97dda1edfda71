package middleware

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/nametext"
)

type principalKey struct{}

// WithPrincipal is a context that says who asks. Call it where the caller was
// authenticated: whatever the principal holds there, a guard believes.
func WithPrincipal(ctx context.Context, principal aureus.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, principal)
}

// PrincipalFromContext is who asks, as [WithPrincipal] said. Without one, or with
// one whose id is not 1 to 1,024 bytes of visible characters and plain spaces
// without a space at either end, the error matches [ErrNoIdentity]: there is no
// default identity.
func PrincipalFromContext(ctx context.Context) (aureus.Principal, error) {
	principal, ok := ctx.Value(principalKey{}).(aureus.Principal)
	if !ok || principal.ID == "" {
		return aureus.Principal{}, fmt.Errorf("middleware: %w: the context names no principal", ErrNoIdentity)
	}
	if problem := nametext.Identifier(principal.ID); problem != "" {
		return aureus.Principal{}, fmt.Errorf("middleware: %w: the id of the context's principal %s", ErrNoIdentity, problem)
	}
	return principal, nil
}

// maxIdentity bounds, in bytes, an identity in a header.
const maxIdentity = 256

// TrustedHeader reads who asks from a header that an authenticating proxy sets.
// The function that it returns gives a principal that has the header's value
// as its id and holds nothing else: add its type and its permissions from where
// you keep them.
//
// The header counts only if the peer of the connection (Request.RemoteAddr) has
// an address in one of the prefixes, if it occurs exactly once, and if its
// value is 1 to 256 bytes of UTF-8, made of visible characters and plain spaces,
// without a space at either end. Everything else is an error that matches [ErrNoIdentity].
// The value is taken whole, and nothing is removed from the request. What comes
// over a Unix socket has no address and is refused.
//
// It is as good as the proxy: the proxy must overwrite what a client sends
// under that name, and nothing in front of the guard may rewrite RemoteAddr
// from a header such as X-Forwarded-For.
//
// TrustedHeader panics, so that a mistake shows at start: without a prefix, with
// an invalid one, with one that trusts every address, with an IPv4 prefix
// written as IPv6, and with a name that is no header's.
func TrustedHeader(name string, proxies ...netip.Prefix) func(*http.Request) (aureus.Principal, error) {
	header := headerName("TrustedHeader", name)
	if len(proxies) == 0 {
		panic("middleware: TrustedHeader needs the prefixes of the proxies that it trusts")
	}
	trusted := make([]netip.Prefix, len(proxies))
	for i, prefix := range proxies {
		switch {
		case !prefix.IsValid():
			panic("middleware: TrustedHeader: a prefix is invalid; make it with netip.MustParsePrefix")
		case prefix.Bits() == 0:
			panic(fmt.Sprintf("middleware: TrustedHeader: %s lets everybody be anybody; name the proxies", prefix))
		case prefix.Addr().Is4In6():
			panic(fmt.Sprintf("middleware: TrustedHeader: %s would match nothing; write it as an IPv4 prefix", prefix))
		}
		trusted[i] = prefix.Masked()
	}
	return func(r *http.Request) (aureus.Principal, error) {
		if !fromTrusted(r.RemoteAddr, trusted) {
			return aureus.Principal{}, fmt.Errorf("middleware: %w: %s comes from %s, which is no trusted proxy", ErrNoIdentity, header, r.RemoteAddr)
		}
		values := r.Header[header]
		if len(values) != 1 {
			return aureus.Principal{}, fmt.Errorf("middleware: %w: %s occurs %d times and must occur once", ErrNoIdentity, header, len(values))
		}
		if !validIdentity(values[0]) {
			return aureus.Principal{}, fmt.Errorf("middleware: %w: %s must be 1 to %d bytes of text", ErrNoIdentity, header, maxIdentity)
		}
		return aureus.Principal{ID: values[0]}, nil
	}
}

func fromTrusted(remote string, trusted []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, prefix := range trusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

func validIdentity(value string) bool {
	return value != "" && len(value) <= maxIdentity && nametext.Identifier(value) == ""
}

// headerName is the canonical form of a header's name; it panics for what is
// none.
func headerName(who, name string) string {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			panic(fmt.Sprintf("middleware: %s: %q is not the name of a header", who, name))
		}
	}
	if name == "" {
		panic(fmt.Sprintf("middleware: %s: a header needs a name", who))
	}
	return http.CanonicalHeaderKey(name)
}

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

// WithPrincipal returns a context with the principal that makes the request. Call it after
// the caller is authenticated: a guard trusts everything in the principal.
func WithPrincipal(ctx context.Context, principal aureus.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, principal)
}

// PrincipalFromContext returns the principal that [WithPrincipal] put into the context. The
// error matches [ErrNoIdentity] if there is none, or if its id is not 1 to 1,024 bytes of
// visible characters and plain spaces without a space at either end. There is no default
// identity.
func PrincipalFromContext(ctx context.Context) (aureus.Principal, error) {
	principal, ok := ctx.Value(principalKey{}).(aureus.Principal)
	if !ok || principal.ID == "" {
		return aureus.Principal{}, fmt.Errorf("middleware: %w: the context has no principal", ErrNoIdentity)
	}
	if problem := nametext.Identifier(principal.ID); problem != "" {
		return aureus.Principal{}, fmt.Errorf("middleware: %w: the id of the context's principal %s", ErrNoIdentity, problem)
	}
	return principal, nil
}

// maxIdentity is the limit, in bytes, of an identity in a header.
const maxIdentity = 256

// TrustedHeader returns a function that reads the identity of the caller from a header that
// an authenticating proxy sets. The principal that the function returns has the value of the
// header as its id and nothing else: add its type and its permissions.
//
// The header is accepted only if the address of the connection's peer (Request.RemoteAddr) is
// in one of the prefixes, the header occurs exactly once, and its value is 1 to 256 bytes of
// UTF-8 with visible characters and plain spaces and without a space at either end. Otherwise
// the error matches [ErrNoIdentity]. The whole value is the id. The function does not change
// the request. A connection over a Unix socket has no address and is refused.
//
// The proxy must replace a header of that name that a client sends, and no handler in front of
// the guard may set RemoteAddr from a header such as X-Forwarded-For. Otherwise a client can
// choose its identity.
//
// TrustedHeader panics if no prefix is given, or if a prefix is invalid, contains all
// addresses, or is an IPv4 prefix written as IPv6. It also panics if the name is not a valid
// header name. So these mistakes are found when the program starts.
func TrustedHeader(name string, proxies ...netip.Prefix) func(*http.Request) (aureus.Principal, error) {
	header := headerName("TrustedHeader", name)
	if len(proxies) == 0 {
		panic("middleware: TrustedHeader: give the prefixes of the proxies to trust")
	}
	trusted := make([]netip.Prefix, len(proxies))
	for i, prefix := range proxies {
		switch {
		case !prefix.IsValid():
			panic("middleware: TrustedHeader: a prefix is invalid; create it with netip.MustParsePrefix")
		case prefix.Bits() == 0:
			panic(fmt.Sprintf("middleware: TrustedHeader: %s trusts every address; give the addresses of the proxies", prefix))
		case prefix.Addr().Is4In6():
			panic(fmt.Sprintf("middleware: TrustedHeader: %s would match nothing; write it as an IPv4 prefix", prefix))
		}
		trusted[i] = prefix.Masked()
	}
	return func(r *http.Request) (aureus.Principal, error) {
		if !fromTrusted(r.RemoteAddr, trusted) {
			return aureus.Principal{}, fmt.Errorf("middleware: %w: %s comes from %s, which is not a trusted proxy", ErrNoIdentity, header, r.RemoteAddr)
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

// fromTrusted reports whether a remote address is in one of the prefixes.
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

// headerName returns the canonical form of a header name. It panics if the name is not
// valid.
func headerName(who, name string) string {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			panic(fmt.Sprintf("middleware: %s: %q is not a valid header name", who, name))
		}
	}
	if name == "" {
		panic(fmt.Sprintf("middleware: %s: a header needs a name", who))
	}
	return http.CanonicalHeaderKey(name)
}

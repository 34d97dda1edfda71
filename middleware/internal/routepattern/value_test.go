package routepattern_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

func TestValue_Text_IsUnescapedOrRefused(t *testing.T) {
	for _, row := range []struct {
		name, text string
		escaped    bool
		want       string
		refused    bool
	}{
		{"plain", "acme", true, "acme", false},
		{"empty", "", true, "", false},
		{"an address", "ann%40example.com", true, "ann@example.com", false},
		{"an address that is unescaped already", "ann@example.com", false, "ann@example.com", false},
		{"an escape that is not needed", "adm%69n", true, "admin", false},
		{"several segments", "a/b/c", false, "a/b/c", false},
		{"a folder", "a/b/", false, "a/b/", false},
		{"a percent sign", "100%25", true, "100%", false},
		{"a percent sign that is unescaped already", "100% of", false, "100% of", false},
		{"dots in a name", "..a/b./.c", false, "..a/b./.c", false},
		{"an escaped slash", "a%2Fb", true, "", true},
		{"an escaped slash in small letters", "a%2fb", true, "", true},
		{"escaped twice", "adm%2569n", true, "", true},
		{"escaped twice, unescaped once", "adm%69n", false, "", true},
		{"a slash in front", "/a", false, "", true},
		{"only a slash", "/", false, "", true},
		{"an empty segment", "a//b", false, "", true},
		{"two slashes at the end", "a//", false, "", true},
		{"one dot", ".", false, "", true},
		{"two dots", "a/../b", false, "", true},
		{"escaped dots", "a/%2e%2E/b", true, "", true},
		{"dots at the end", "a/..", false, "", true},
	} {
		value, reason := routepattern.Value(row.text, row.escaped)
		require.Equal(t, row.refused, reason != "", row.name)
		if !row.refused {
			require.Equal(t, row.want, value, row.name)
		}
	}
}

func TestSameMethod_RouteOfAnotherMethod_IsRefused(t *testing.T) {
	for _, pair := range []string{" DELETE", "PUT PUT", "GET HEAD"} { //nolint:dupword // methods
		selected, method, _ := strings.Cut(pair, " ")
		require.Empty(t, routepattern.SameMethod(selected, method), pair)
	}
	for _, pair := range []string{"POST GET", "HEAD GET", "POST HEAD"} {
		selected, method, _ := strings.Cut(pair, " ")
		require.NotEmpty(t, routepattern.SameMethod(selected, method), pair)
	}
}

// A handler gets the same value whether it unescapes the value again or not.
func FuzzValue_AcceptedValue_IsTheSameForEveryHandler(f *testing.F) {
	for _, text := range []string{"a%40b", "%25", "a/../b", "%2e", "%%41", "a%2"} {
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, escaped bool) {
		value, reason := routepattern.Value(text, escaped)
		if reason != "" {
			return
		}
		if again, err := url.PathUnescape(value); err == nil && again != value {
			t.Errorf("%q became %q, and %q when it is unescaped again", text, value, again)
		}
		if twice, reason := routepattern.Value(value, escaped); reason != "" || twice != value {
			t.Errorf("%q became %q, and then %q: %s", text, value, twice, reason)
		}
	})
}

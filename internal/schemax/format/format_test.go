package format_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/schemax/format"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func TestCheck_TestdataCases_AreJudgedAsListed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	var cases map[string]struct {
		Valid   []string `json:"valid"`
		Invalid []string `json:"invalid"`
	}
	require.NoError(t, strictjson.Unmarshal(text, &cases))
	require.Nil(t, format.Named("nobody"))
	for _, name := range format.Names() {
		require.NotEmpty(t, cases[name].Valid, name)
		require.NotEmpty(t, cases[name].Invalid, name)
	}
	for name, row := range cases {
		check := format.Named(name)
		require.NotNil(t, check, name)
		for _, text := range row.Valid {
			require.NoError(t, check(text), "%s %+q", name, text)
		}
		for _, text := range row.Invalid {
			require.Error(t, check(text), "%s %+q", name, text)
		}
	}
}

// The standards limit the lengths.
func TestCheck_StringBeyondLengthLimit_IsInvalid(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	labels := x(63) + "." + x(63) + "." + x(63) + "."
	for reason, row := range map[string]struct{ name, valid, invalid string }{
		"a label":                {"hostname", x(63), x(64)},
		"a name":                 {"hostname", labels + x(61), labels + x(62)},
		"an international label": {"idn-hostname", "ö" + x(50), "ö" + x(63)},
		"an international name":  {"idn-hostname", labels + x(61), labels + x(62)},
		"before the at sign":     {"email", x(64) + "@a", x(65) + "@a"},
		"an address":             {"email", x(64) + "@" + x(63) + "." + x(63) + "." + x(61), x(64) + "@" + x(63) + "." + x(63) + "." + x(62)},
	} {
		t.Run(reason, func(t *testing.T) {
			require.NoError(t, format.Named(row.name)(row.valid))
			require.Error(t, format.Named(row.name)(row.invalid))
		})
	}
}

// No check panics, no error contains the string, and every URI is an IRI too.
func FuzzCheck(f *testing.F) {
	for _, text := range []string{"a@b", "xn--hst-sna", "x://[::1]:1/%41?#", "{+a*}", "P1DT1M", "2031-01-31T23:59:60Z", "1/~0", "ö。ö", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		results := map[string]error{}
		for _, name := range format.Names() {
			err := format.Named(name)(text)
			if err != nil && len(text) > 20 && strings.Contains(err.Error(), text) {
				t.Errorf("%s quotes %q", name, text)
			}
			results[name] = err
		}
		for narrow, wide := range map[string]string{"uri": "iri", "uri-reference": "iri-reference", "iri": "iri-reference"} {
			if results[narrow] == nil && results[wide] != nil {
				t.Errorf("%q is a valid %s but not a valid %s", text, narrow, wide)
			}
		}
	})
}

package aureus_test

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// A bundle whose text, digest or name does not fit together is refused, and 304 counts
// only as the response to a digest that was sent.
func TestPolicyBundle_ResponsesThatDoNotFit_AreMalformed(t *testing.T) {
	t.Parallel()
	text := "name: ledger\n"
	digest := aureus.Digest(sha256.Sum256([]byte(text)))
	fits := http.Header{"Content-Type": {"application/yaml"}, "Etag": {`"` + digest.String() + `"`}, "Aureus-Bundle": {"ledger/7"}}
	for name, c := range map[string]struct {
		header, value string
		status        int
		ok            bool
	}{
		"fits":                 {"X-Other", "x", 200, true},
		"weak etag":            {"Etag", `W/"` + digest.String() + `"`, 200, true},
		"other digest":         {"Etag", `"` + aureus.Digest{1}.String() + `"`, 200, false},
		"no digest":            {"Etag", "", 200, false},
		"no name":              {"Aureus-Bundle", "", 200, false},
		"no version":           {"Aureus-Bundle", "ledger", 200, false},
		"wrong signature":      {"Aureus-Signature", "%", 200, false},
		"wrong content type":   {"Content-Type", "text/html", 200, false},
		"unasked not modified": {"X-Other", "x", 304, false},
		"no final response":    {"X-Other", "x", 203, false},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), fits.Clone())
			w.Header().Set(c.header, c.value)
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(text))
		}))
		client, err := aureus.NewClient(srv.URL, aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.NoRetry}))
		require.NoError(t, err)
		bundle, err := client.PolicyBundle(t.Context(), aureus.Digest{})
		if c.ok {
			require.NoError(t, err, name)
			require.Equal(t, []any{"ledger", int64(7), text}, []any{bundle.Name, bundle.Version, string(bundle.Text)})
		} else {
			require.ErrorIs(t, err, aureus.ErrMalformed, name)
			require.Empty(t, bundle.Text)
		}
		require.NoError(t, client.Close())
		srv.Close()
	}
}

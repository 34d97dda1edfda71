package controlplane_test

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// A client whose batch exceeds the server's limit sends it in smaller requests, also
// over a connection on which the server responds before it has read the body.
func TestBatch_LargerThanTheServersBound_ArrivesAsAWhole(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.MaxBatchBody = 100 << 10 })
	listening := httptest.NewServer(srv)
	t.Cleanup(listening.Close)
	c, err := aureus.NewClient(listening.URL, aureus.WithAPIKey(newKey(t, srv, controlplane.RoleService, "svc")))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	const n = 4000
	spans := make([]aureus.Span, n)
	for i := range spans {
		spans[i] = aureus.Span{ID: strconv.Itoa(i), TraceID: "t", Name: strings.Repeat("n", 500), StartTime: "2026-01-02T03:04:05Z"}
	}
	require.NoError(t, c.ReportSpans(t.Context(), spans))
	found, err := c.Trace(t.Context(), "t")
	require.NoError(t, err)
	require.Len(t, found, n)
}

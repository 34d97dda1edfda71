package handover_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/middleware/internal/handover"
)

func TestFrom_GuardsInEachOther_FindTheirOwnValue(t *testing.T) {
	t.Parallel()
	outer, inner := new(handover.Key), new(handover.Key)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r = handover.Request(handover.Request(r, outer, "outer"), inner, "inner")
	require.Equal(t, []string{"outer", "inner"}, []string{handover.From[string](r, outer), handover.From[string](r, inner)})

	r = handover.Request(r, inner, "again")
	require.Equal(t, "again", handover.From[string](r, inner), "the last one counts")
	require.Panics(t, func() { handover.From[string](r, new(handover.Key)) })
	require.Panics(t, func() { handover.From[string](r.WithContext(context.Background()), inner) })
}

func TestReturn_AfterTheGuard_TheFirstRequestHasTheFormAndThePattern(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?a=1", nil)
	guarded := handover.Request(r, new(handover.Key), "value")
	guarded.Pattern = "GET /"
	require.NoError(t, guarded.ParseForm())
	handover.Return(r, guarded)
	require.Equal(t, "GET /", r.Pattern)
	require.Equal(t, "1", r.Form.Get("a"))
}

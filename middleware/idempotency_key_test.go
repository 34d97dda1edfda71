package middleware_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

// The Idempotency-Key of a request is for the service only. If the guard forwarded it to the
// control plane, a caller could get the decision for the request of another caller. Each
// decision request has its own key.
func TestEnforce_IdempotencyKeyOfTheCaller_IsNotForwarded(t *testing.T) {
	const key = "the-callers-own-key"
	var keys, leaked []string
	plane := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/api/v1/policy/evaluate" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		keys = append(keys, r.Header.Values("Idempotency-Key")...)
		var sent strings.Builder
		_ = r.Header.Write(&sent)
		if strings.Contains(sent.String()+string(body), key) {
			leaked = append(leaked, sent.String())
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"allowed":true,"reason":"r","requires_human_approval":false}`)
	}))
	defer plane.Close()
	client, err := aureus.NewClient(plane.URL, aureus.WithAPIKey("k"))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()

	reached := []string{}
	service := middleware.Enforce(client, about(large))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached = append(reached, r.Header.Get("Idempotency-Key"))
	}))
	for range 2 {
		r := httptest.NewRequest(http.MethodPost, "/ledger/close", http.NoBody)
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
	}
	require.Equal(t, []string{key, key}, reached, "the limit applies to the handler")
	require.Empty(t, leaked)
	require.Len(t, keys, 2)
	require.NotEqual(t, keys[0], keys[1])
}

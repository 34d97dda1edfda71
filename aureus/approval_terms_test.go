package aureus_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// The terms are sent as they are, in milliseconds. A duration that is too short to be sent
// is sent as one that no server accepts, because zero would ask for nothing.
func TestAskApproval_Terms_AreSent(t *testing.T) {
	t.Parallel()
	server := record(t, jsonResponse(400, `{"error":"e","code":"VALIDATION_ERROR","request_id":"r"}`))
	client := newClient(t, server.URL)
	for _, c := range []struct {
		terms aureus.ApprovalTerms
		want  any
	}{
		{},
		{
			aureus.ApprovalTerms{Quorum: 2, Roles: []string{"operator", "admin"}, DecideWithin: time.Hour, UseWithin: 1500*time.Millisecond + 1},
			map[string]any{"quorum": 2.0, "roles": []any{"operator", "admin"}, "decide_within_ms": 3600_000.0, "use_within_ms": 1500.0},
		},
		{aureus.ApprovalTerms{Roles: []string{"admin"}}, map[string]any{"roles": []any{"admin"}}},
		{aureus.ApprovalTerms{DecideWithin: 1, UseWithin: -1}, map[string]any{"decide_within_ms": -1.0, "use_within_ms": -1.0}},
		{aureus.ApprovalTerms{UseWithin: -time.Hour}, map[string]any{"use_within_ms": -3600_000.0}},
	} {
		_, err := client.AskApproval(t.Context(), aureus.ApprovalAsk{Terms: c.terms})
		require.ErrorIs(t, err, aureus.ErrInvalid)
		requests := server.all()
		var body map[string]any
		require.NoError(t, json.Unmarshal([]byte(requests[len(requests)-1].body), &body))
		require.Equal(t, c.want, body["terms"])
	}
}

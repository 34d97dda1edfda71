package controlplane_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// An approval shows invisible characters as escapes. Its digest is that of the original
// request, which is allowed once it is approved.
func TestApproval_CharactersThatAreNotSeen_AreWrittenOutForWhoApproves(t *testing.T) {
	t.Parallel()
	srv := open(t)
	request := transfer(aureus.TierHigh, 500)
	request.Arguments = map[string]any{"to": "DE89\u202E000", "amount": 500, "author": "Ann", "authorization": map[string]any{"iban": "DE1", "amount": 5}}
	digest, err := guard.Digest("", request)
	require.NoError(t, err)
	decision, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, digest, decision.Digest)

	shown, err := srv.Operator("olga").Approval(t.Context(), decision.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"/arguments/to"}, shown.Escaped)
	require.Empty(t, shown.Redacted)
	text := mustMarshal(t, shown)
	require.NotContains(t, text, "\u202E")
	require.Contains(t, text, `DE89\\u{202E}000`)
	require.Contains(t, text, `"author":"Ann"`)

	decided, err := srv.Operator("olga").Approve(t.Context(), shown.ID, shown.ActionDigest, "fine\u202E, password: no")
	require.NoError(t, err)
	require.Equal(t, `fine\u{202E}, password: no`, decided.Decisions[0].Comment)
	passed, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, passed.Effect)
}

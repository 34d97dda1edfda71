package controlplane_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// spellings lists pairs of names that look the same to a reader.
var spellings = map[string][2]string{
	"composed and decomposed": {"Jos\u00e9", "Jose\u0301"},
	"sharp s":                 {"stra\u00dfe", "STRASSE"},
	"ligature":                {"\ufb01nn", "FINN"},
	"full width":              {"\uff2f\uff4c\uff47\uff41", "olga"},
	"double space":            {"Olga  Smith", "olga smith"},
	"Kelvin sign":             {"\u212aarl", "karl"},
	"final sigma":             {"\u03c3\u03b1\u03c2", "\u03a3\u0391\u03a3"},
}

// A person whose name, in one spelling, is the requester, the principal or on_behalf_of
// may not decide under another spelling of the name.
func TestApprove_RequesterInAnotherSpelling_IsSelfApproval(t *testing.T) {
	t.Parallel()
	for name, pair := range spellings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := open(t)
			for i, by := range []string{pair[0], pair[1]} {
				asks, decides := by, pair[1-i]
				operator := client(t, srv, newKey(t, srv, controlplane.RoleOperator, decides))
				for what, change := range map[string]func(r *aureus.Request) (asker string){
					"asked":              func(*aureus.Request) string { return asks },
					"is the principal":   func(r *aureus.Request) string { r.Principal.ID = asks; return "service" },
					"is acted on behalf": func(r *aureus.Request) string { r.OnBehalfOf = asks; return "service" },
				} {
					request := transfer(aureus.TierHigh, i)
					subject := change(&request)
					asking := client(t, srv, newKey(t, srv, controlplane.RoleService, subject))
					decision, err := asking.Decide(t.Context(), request)
					require.NoError(t, err)
					require.Equal(t, aureus.RequireApproval, decision.Effect, decision.Reason)
					_, err = operator.Approve(t.Context(), decision.Approval.ID, decision.Digest, "")
					require.ErrorContains(t, err, "SELF_APPROVAL", "%+q %s, %+q decides", asks, what, decides)
				}
			}
			otto := client(t, srv, newKey(t, srv, controlplane.RoleOperator, "otto"))
			decision, err := srv.Client().Decide(t.Context(), transfer(aureus.TierHigh, 9))
			require.NoError(t, err)
			_, err = otto.Approve(t.Context(), decision.Approval.ID, decision.Digest, "")
			require.NoError(t, err, "another person may decide")
		})
	}
}

package approvals

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/wire"
)

// A service's ask is tightened by what the server's own rules say about the request. Only
// they may lengthen the times of the configuration.
func TestComplete_TermsOfTheServer_AreTheLeast(t *testing.T) {
	t.Parallel()
	own := aureus.ApprovalTerms{Quorum: 2, Roles: []string{"admin"}, DecideWithin: 24 * time.Hour}
	s := &Service{
		Rules: rules.Rules{Now: time.Now}, Now: time.Now, Life: approval.Life{Decide: time.Hour, Use: time.Minute},
		Terms: func(tenant string, request aureus.Request) aureus.ApprovalTerms {
			require.Equal(t, "bank", tenant)
			require.Equal(t, "pay", request.Action.ID)
			return own
		},
	}
	c := web.Caller{Tenant: "bank", Subject: "agent", KeyID: "k", Role: web.Service}
	body := Request{
		Principal: aureus.Principal{ID: "agent", Type: "agent", Permissions: []aureus.Permission{}}, Reason: "r",
		Action: aureus.Action{ID: "pay", Name: "Pay", RiskTier: aureus.TierHigh, RequiredPermissions: []aureus.Permission{}},
	}
	for _, row := range []struct {
		asked *wire.ApprovalTerms
		want  aureus.ApprovalTerms
	}{
		{nil, own},
		{&wire.ApprovalTerms{Quorum: 1, Roles: []string{"operator"}, DecideWithinMS: 30 * 24 * 3600_000, UseWithinMS: 3600_000}, own},
		{
			&wire.ApprovalTerms{Quorum: 3, DecideWithinMS: 2 * 3600_000, UseWithinMS: 1000},
			aureus.ApprovalTerms{Quorum: 3, Roles: []string{"admin"}, DecideWithin: 2 * time.Hour, UseWithin: time.Second},
		},
	} {
		body.Terms = row.asked
		ask, err := s.complete(c, body)
		require.NoError(t, err)
		require.Equal(t, row.want, ask.Terms)
		prepared, err := s.Prepare(c, ask)
		require.NoError(t, err)
		require.Equal(t, row.want, prepared.Terms)
	}
}

// Terms that nobody checked are never stored: a role that does not exist would otherwise
// stand for the default.
func TestPrepare_InvalidTerms_Fails(t *testing.T) {
	t.Parallel()
	s := &Service{Rules: rules.Rules{Now: time.Now}, Now: time.Now}
	for _, terms := range []aureus.ApprovalTerms{{Quorum: 11}, {Roles: []string{"auditor"}}, {Roles: []string{""}}, {UseWithin: -1}} {
		_, err := s.Prepare(web.Caller{}, aureus.ApprovalAsk{Terms: terms})
		require.ErrorIs(t, err, aureus.ErrInvalid)
	}
}

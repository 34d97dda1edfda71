package approvals

import (
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/wire"
)

const bank = `
aureus: policy/1
name: bank
version: 1
principals: {agent: {roles: []}}
actions:
  pay: {tier: high, requires: [], approval: {quorum: 2, roles: [admin], decide_within: 24h}}
`

// A service's ask is tightened by what the policy bundle says about the action. Only that
// may lengthen the times of the configuration.
func TestComplete_TermsOfTheBundle_AreTheLeast(t *testing.T) {
	t.Parallel()
	own := aureus.ApprovalTerms{Quorum: 2, Roles: []string{"admin"}, DecideWithin: 24 * time.Hour}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, err := tx.Policies().PutBundle(storage.Bundle{Tenant: "bank", Name: "bank", Version: 1, Digest: sha256.Sum256([]byte(bank)), Text: []byte(bank)})
		return err
	}))
	decide := rules.Rules{Now: time.Now, Policies: &rules.Policies{Store: db}}
	policy, err := decide.For(t.Context(), "bank")
	require.NoError(t, err)
	s := &Service{Rules: decide, Now: time.Now, Life: approval.Life{Decide: time.Hour, Use: time.Minute}}
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
		ask, err := s.complete(t.Context(), c, policy, body)
		require.NoError(t, err)
		require.Equal(t, row.want, ask.Terms)
		prepared, err := s.Prepare(c, ask, true)
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
		_, err := s.Prepare(web.Caller{}, aureus.ApprovalAsk{Terms: terms}, true)
		require.ErrorIs(t, err, aureus.ErrInvalid)
	}
}

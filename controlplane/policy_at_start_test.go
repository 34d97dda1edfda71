package controlplane_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// The bundle of the configuration is in force after Open, unless an admin has put a higher
// version since: that one survives a restart with the older file.
func TestOpen_Policy_IsInForceUnlessAHigherVersionIs(t *testing.T) {
	t.Parallel()
	config := controlplane.Config{DB: filepath.Join(t.TempDir(), "a.db")}
	inForce := func(text []byte, change func(*controlplane.Server)) string {
		config.Policy = text
		srv, err := controlplane.Open(t.Context(), config)
		require.NoError(t, err)
		defer func() { require.NoError(t, srv.Close()) }()
		if change != nil {
			change(srv)
		}
		service := client(t, srv, newKey(t, srv, controlplane.RoleService, "clerk"))
		bundle, err := service.PolicyBundle(t.Context(), aureus.Digest{})
		require.NoError(t, err)
		decision, err := service.Decide(t.Context(), asking("clerk", "account.read", arguments{"id": "acme"}))
		require.NoError(t, err)
		require.Equal(t, aureus.Allow, decision.Effect, decision.Reason)
		require.Equal(t, decision.Bundle, fmt.Sprintf("%s/%d", bundle.Name, bundle.Version))
		return decision.Bundle
	}
	require.Equal(t, "ledger/3", inForce(ledgerBundle(3), nil))
	require.Equal(t, "ledger/3", inForce(ledgerBundle(3), func(srv *controlplane.Server) {
		var by []string
		for b, err := range client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga")).PolicyBundleHistory(t.Context()) {
			require.NoError(t, err)
			by = append(by, b.PutBy)
		}
		require.Equal(t, []string{"configuration"}, by, "the same bundle is not stored again")
	}))
	require.Equal(t, "ledger/4", inForce(ledgerBundle(4), nil))
	require.Equal(t, "ledger/6", inForce(ledgerBundle(5), func(srv *controlplane.Server) { put(t, srv, ledgerBundle(6)) }))
	var log bytes.Buffer
	config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	require.Equal(t, "ledger/6", inForce(ledgerBundle(5), nil))
	require.Contains(t, log.String(), "not used: a higher version is in force")
	log.Reset()
	require.Equal(t, "ledger/7", inForce(ledgerBundle(7, "effect: require_approval,", "effect: require_approval, mode: shadow,"), nil))
	require.Contains(t, log.String(), "shadow", "the notes of the bundle are logged")
}

// A bundle that cannot be used ends the start, and the one in force stays.
func TestOpen_PolicyThatCannotBeUsed_IsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.db")
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file, Policy: ledgerBundle(3)})
	require.NoError(t, err)
	require.NoError(t, srv.Close())
	for want, config := range map[string]controlplane.Config{
		"version 3 is in force with another text": {Policy: append(ledgerBundle(3), '#')},
		`its name is "payroll"`:                   {Policy: ledgerBundle(2, "name: ledger", "name: payroll")},
		"tier":                                    {Policy: ledgerBundle(4, "tier: low", "tier: tiny")},
		"signature":                               {Policy: ledgerBundle(4), PolicyKeys: []ed25519.PublicKey{public}},
	} {
		config.DB = file
		srv, err := controlplane.Open(t.Context(), config)
		if err == nil {
			require.NoError(t, srv.Close())
		}
		require.ErrorContains(t, err, want)
	}
	signed := open(t, func(c *controlplane.Config) {
		c.DB, c.PolicyKeys = file, []ed25519.PublicKey{public}
		c.Policy, c.PolicySignature = ledgerBundle(4), ed25519.Sign(private, ledgerBundle(4))
	})
	bundle, err := client(t, signed, newKey(t, signed, controlplane.RoleService, "svc")).PolicyBundle(t.Context(), aureus.Digest{})
	require.NoError(t, err)
	require.Equal(t, int64(4), bundle.Version)
}

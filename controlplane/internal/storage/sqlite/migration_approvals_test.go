package sqlite

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/storagetest"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

var (
	ledger  = storage.Actor{KeyID: "key_ledger", Subject: "ledger"}
	ledger2 = storage.Actor{KeyID: "key_ledger_2", Subject: "ledger"}
	payroll = storage.Actor{KeyID: "key_payroll", Subject: "payroll"}
)

// schemaProvider returns a provider that migrates the file up and down.
func schemaProvider(t *testing.T, file string) (*sql.DB, *goose.Provider) {
	t.Helper()
	db, err := sql.Open("sqlite", file+"?_pragma=foreign_keys(1)&_pragma=journal_mode(wal)")
	require.NoError(t, err)
	folder, err := fs.Sub(migrations, "migrations")
	require.NoError(t, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	return db, provider
}

// Approvals that were stored before approvals belonged to a subject get the subject
// that asked first. They keep their end, and can be found and decided as before.
func TestMigration_OldApprovals_BelongToWhoAskedFirst(t *testing.T) {
	const before = 6
	file := filepath.Join(t.TempDir(), "old.db")
	db, provider := schemaProvider(t, file)
	_, err := provider.UpTo(t.Context(), before)
	require.NoError(t, err)
	end := noon.Add(time.Hour)
	insert := func(id string, n byte, status string, live bool, requesters ...storage.Actor) {
		a := aureus.Approval{
			ID: id, Status: aureus.ApprovalPending, Principal: aureus.Principal{ID: "agent", Type: "agent", Permissions: []aureus.Permission{}}, OnBehalfOf: "boss",
			Action:   aureus.Action{ID: "pay", Name: "Pay", RiskTier: aureus.TierHigh, RequiredPermissions: []aureus.Permission{}},
			ToolName: "bank", RiskTier: aureus.TierHigh, Reason: "r", ReasonCode: aureus.ReasonHighRisk, Rule: "risk_tier", PolicyVersion: "v1",
			RequestedAt: aureus.TimestampOf(noon), ExpiresAt: aureus.TimestampOf(end), RequestedByKey: requesters[0].KeyID, Quorum: aureus.Quorum{Needed: 1},
			Decisions: []aureus.ApprovalDecision{}, ActionDigest: aureus.Digest{n, 1}, Arguments: map[string]any{"text": "…"},
		}
		document, err := strictjson.Marshal(a)
		require.NoError(t, err)
		consumedBy := ""
		if status == "consumed" {
			consumedBy = aureus.NewDecisionID(noon).String()
		}
		_, err = db.Exec(`INSERT INTO approvals (id, tenant, digest, status, live, principal_id, policy_version, document, requested_at, expires_at, quorum_needed, consumed_by)
			VALUES (?,'default',?,?,?,'agent','v1',?,?,?,1,?)`, id, a.ActionDigest[:], status, live, string(document), noon.UnixNano(), end.UnixNano(), consumedBy)
		require.NoError(t, err)
		for i, by := range requesters {
			_, err = db.Exec(`INSERT INTO approval_requesters (tenant, approval_id, key_id, subject, asked_at) VALUES ('default',?,?,?,?)`, id, by.KeyID, by.Subject, int64(i))
			require.NoError(t, err)
		}
		if status == "approved" || status == "consumed" {
			_, err = db.Exec(`INSERT INTO approval_decisions (tenant, approval_id, decided_by, key_id, decided_at, verdict, comment) VALUES ('default',?,'olga','key_olga',1,'approve','')`, id)
			require.NoError(t, err)
		}
	}
	insert("apr_pending", 1, "pending", true, ledger, payroll, ledger2)
	insert("apr_approved", 2, "approved", true, payroll, ledger)
	insert("apr_rejected", 3, "rejected", true, ledger)
	insert("apr_consumed", 4, "consumed", false, ledger)
	require.NoError(t, db.Close())

	opened, err := Open(t.Context(), file, storage.Options{})
	require.NoError(t, err)
	a := &storagetest.ApprovalsTest{T: t, DB: opened, Now: noon.Add(time.Minute)}
	pending, approved := a.Get("apr_pending"), a.Get("apr_approved")
	require.Equal(t, "ledger", pending.RequestedBy)
	require.Equal(t, "payroll", approved.RequestedBy)
	require.Equal(t, map[string]any{"text": "…"}, pending.Arguments)
	require.Equal(t, aureus.TimestampOf(end), pending.DecideBy)
	require.Empty(t, pending.UseBy)
	require.Equal(t, aureus.TimestampOf(end), approved.UseBy, "it keeps its end")
	require.Equal(t, []string{"operator"}, pending.Roles)
	require.Equal(t, aureus.Quorum{Needed: 1, Have: 1}, approved.Quorum)
	var columns aureus.Approval
	require.NoError(t, opened.View(t.Context(), func(tx storage.Tx) (err error) {
		columns, err = tx.Approvals().Summary("default", a.Now, "apr_pending")
		return err
	}))
	require.Equal(t, storage.ApprovalEntry("k", pending, ledger), storage.ApprovalEntry("k", columns, ledger))

	require.Equal(t, "apr_pending", ask(a, ledger, aureus.Digest{1, 1}).ID)
	hour := a.Wanted(0, "v1")
	hour.ActionDigest = aureus.Digest{1, 1}
	same, joined, err := a.TryTerms(ledger, hour, aureus.ApprovalTerms{Quorum: 1, Roles: []string{"operator"}, DecideWithin: time.Hour, UseWithin: 15 * time.Minute})
	require.NoError(t, err)
	require.True(t, joined, "it was asked for under the terms of its time: %s", same.ID)
	require.NotEqual(t, "apr_pending", ask(a, payroll, aureus.Digest{1, 1}).ID, "a subject that only joined must ask for an approval of its own")
	require.ErrorIs(t, a.Decide(storage.Actor{KeyID: "key_x", Subject: "payroll"}, "apr_pending", true), storage.ErrRequester, "and still may not decide the old one")
	_, err = a.Use(ledger, approved, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	a.Now = end
	_, err = a.Use(payroll, approved, "v1")
	require.NoError(t, err)
	require.Equal(t, "apr_rejected", ask(a, ledger, aureus.Digest{3, 1}).ID)
	a.Settle(ledger, a.Get("apr_consumed").ConsumedBy, true)
	require.Equal(t, aureus.ApprovalConsumed, a.Get("apr_consumed").Status, "an approval that an older version consumed stays consumed")
	require.NoError(t, opened.Close())

	db, provider = schemaProvider(t, file)
	_, err = provider.DownTo(t.Context(), before)
	require.NoError(t, err, "two live approvals with the same digest do not prevent the downgrade")
	var text string
	require.NoError(t, db.QueryRow(`SELECT document ->> '$.action.id' FROM approvals WHERE id = 'apr_pending'`).Scan(&text))
	require.Equal(t, "pay", text)
	_, err = provider.Up(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// ask asks for an approval with the digest.
func ask(a *storagetest.ApprovalsTest, by storage.Actor, digest aureus.Digest) aureus.Approval {
	a.Helper()
	wanted := a.Wanted(0, "v1")
	wanted.ActionDigest = digest
	found, _, err := a.Try(by, wanted)
	require.NoError(a, err)
	return found
}

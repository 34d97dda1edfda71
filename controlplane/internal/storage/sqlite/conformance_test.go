package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/storagetest"
)

func openFor(t testing.TB, options storage.Options) storage.Store {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openTwice(t testing.TB, options storage.Options) storage.Store {
	t.Helper()
	return storagetest.Twice(openFor(t, options))
}

func TestStore_BackendSuite_Passes(t *testing.T) { storagetest.Run(t, openFor) }

func TestStore_BackendSuiteWithEachTransactionTwice_Passes(t *testing.T) {
	if testing.Short() {
		t.Skip("long: one call after the other")
	}
	storagetest.Run(t, openTwice)
}

func TestStore_ParallelTransactions_AreSerializable(t *testing.T) {
	storagetest.RunConcurrency(t, openFor)
}

func TestStore_ParallelTransactionsRunTwice_AreSerializable(t *testing.T) {
	if testing.Short() {
		t.Skip("long: one call after the other")
	}
	storagetest.RunConcurrency(t, openTwice)
}

func TestApprovals_PendingBounds_InBytes(t *testing.T) {
	db := openStore(t)
	a := &storagetest.ApprovalsTest{T: t, DB: db, Now: noon}
	require.NoError(t, a.Fill(ledger, 0, 1))
	_, err := db.sql.Exec(`UPDATE approvals SET bytes = ?`, storage.MaxPendingBytes-600) // as if the documents were large
	require.NoError(t, err)
	require.ErrorIs(t, a.Fill(ledger, 1, 2), aureus.ReasonTooManyPending.Err())
	require.NoError(t, a.Fill(payroll, 1, 2))
}

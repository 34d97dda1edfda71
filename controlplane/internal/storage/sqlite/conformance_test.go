package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/storagetest"
)

// emptyFiles returns the contents of a new store's file and of its signing key's. They
// are made once: applying all migrations takes longer than most tests of the suite.
var emptyFiles = sync.OnceValues(func() (files [2][]byte, err error) {
	folder, err := os.MkdirTemp("", "aureus-empty-")
	if err != nil {
		return files, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "a.db")
	db, err := Open(context.Background(), path, storage.Options{})
	if err != nil {
		return files, err
	}
	if err := db.Close(); err != nil {
		return files, err
	}
	if files[0], err = os.ReadFile(path); err != nil {
		return files, err
	}
	files[1], err = os.ReadFile(KeyFile(path))
	return files, err
})

func openFor(t testing.TB, options storage.Options) storage.Store {
	t.Helper()
	files, err := emptyFiles()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "a.db")
	if options.SigningKeyFile == "" && !strings.HasSuffix(t.Name(), "/identityIsOfOneStore") { // copies have the same identity
		require.NoError(t, os.WriteFile(path, files[0], 0o600))
		require.NoError(t, os.WriteFile(KeyFile(path), files[1], 0o600))
	}
	db, err := Open(t.Context(), path, options)
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
		t.Skip("one call after the other, and long: make test runs it")
	}
	storagetest.Run(t, openTwice)
}

func TestStore_ParallelTransactions_AreSerializable(t *testing.T) {
	storagetest.RunConcurrency(t, openFor)
}

func TestStore_ParallelTransactionsRunTwice_AreSerializable(t *testing.T) {
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

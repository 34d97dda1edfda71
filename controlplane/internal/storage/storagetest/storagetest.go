// Package storagetest is the test suite that every backend of package storage must
// pass. [Run] tests calls one after the other, [RunConcurrency] concurrent calls. A
// backend must pass both with its own store, and with that store in [Twice].
package storagetest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Open opens a new, empty store for one test, and closes it when the test ends.
type Open func(t testing.TB, options storage.Options) storage.Store

// Run tests a backend.
func Run(t *testing.T, open Open) {
	run(t, open, transactionTests, keyTests, approvalTests, auditTests, decisionTests, policyTests, validatorTests, runTests, replyTests, treeTests, outboxTests)
}

// RunConcurrency tests a backend with concurrent transactions. Also run it with the race
// detector.
func RunConcurrency(t *testing.T, open Open) {
	run(t, open, concurrencyTests)
}

func run(t *testing.T, open Open, groups ...[]func(t *testing.T, open Open)) {
	t.Helper()
	for _, group := range groups {
		for _, test := range group {
			name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
			t.Run(name[strings.LastIndex(name, ".")+1:], func(t *testing.T) { test(t, open) })
		}
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hour is the life of an approval with an hour to decide it, and an hour to use it.
var hour = approval.Life{Decide: time.Hour, Use: time.Hour}

func write(t *testing.T, db storage.Store, fn func(storage.Tx) error) {
	t.Helper()
	require.NoError(t, db.Update(t.Context(), fn))
}

// askFor prepares and asks for an approval.
func askFor(tx storage.Tx, now time.Time, by storage.Actor, a aureus.Approval) (aureus.Approval, bool, error) {
	prepared, err := storage.PrepareApproval(now, by, a, aureus.DecisionID{})
	if err != nil {
		return aureus.Approval{}, false, err
	}
	return tx.Approvals().Ask("default", now, by, prepared, hour)
}

func entry(text string) aureus.AuditRecord {
	return aureus.AuditRecord{Kind: vocab.AuditGateResult, By: "test", KeyID: "key", Details: map[string]any{"text": text}}
}

func appendEntry(text string) func(storage.Tx) error {
	return func(t storage.Tx) error { return t.Audit().Append("default", noon, entry(text)) }
}

// texts checks the chain and returns the texts of all entries.
func texts(t *testing.T, db storage.Store) (list []string) {
	t.Helper()
	v, err := storage.VerifyAudit(context.WithoutCancel(t.Context()), db, "default")
	require.NoError(t, err)
	require.True(t, v.Valid)
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		list = nil
		entries, err := tx.Audit().List("default", storage.AuditFilter{Limit: 10_000})
		for _, e := range entries {
			list = append(list, fmt.Sprint(e.Details["text"]))
		}
		return err
	}))
	return list
}

// aLog returns a store whose log has n entries. The last one is that of a decision.
func aLog(t *testing.T, open Open, n int) storage.Store {
	t.Helper()
	db := open(t, storage.Options{})
	record := aureus.DecisionRecord{DecisionID: aureus.NewDecisionID(noon), Principal: "p", Action: "a", Effect: "deny"}
	d, err := storage.DecisionOf(record, "svc")
	require.NoError(t, err)
	write(t, db, func(tx storage.Tx) error {
		for i := range n - 1 {
			if err := appendEntry(strconv.Itoa(i))(tx); err != nil {
				return err
			}
		}
		_, err = tx.Decisions().Add("default", noon, d, aureus.AuditRecord{
			Kind: vocab.AuditDecision, DecisionID: d.ID, Principal: "p", Action: "a", Decision: "deny", By: "svc",
		})
		return err
	})
	return db
}

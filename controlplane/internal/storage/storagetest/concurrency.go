package storagetest

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var concurrencyTests = []func(t *testing.T, open Open){
	approvalsManyTakersOneUsesIt,
	approvalsManyVotersApproveOnce,
	auditLogParallelAppendsDoNotFork,
	budgetsParallelDecisionsStayWithinTheLimit,
	writesOfManyShareCommits,
}

// For each of 300 approvals, 16 goroutines try to use it: exactly one succeeds.
func approvalsManyTakersOneUsesIt(t *testing.T, open Open) {
	const approvals, takers = 300, 16
	a := newApprovalsTest(t, open)
	list := make([]aureus.Approval, approvals)
	for i := range list {
		list[i] = a.Wanted(i, "v1")
		list[i].Principal.ID = strconv.Itoa(i)
		var err error
		list[i], _, err = a.Try(ledger, list[i])
		require.NoError(t, err)
		a.approve(list[i].ID)
	}
	won := make([]atomic.Int32, approvals)
	var all sync.WaitGroup
	start := make(chan struct{})
	for range takers {
		all.Go(func() {
			<-start
			for i := range list {
				switch _, err := a.Use(ledger, list[i], "v1"); {
				case err == nil:
					won[i].Add(1)
				case !errors.Is(err, aureus.ReasonApprovalConsumed.Err()):
					t.Errorf("unexpected: %v", err)
				}
			}
		})
	}
	close(start)
	all.Wait()
	for i := range won {
		require.EqualValues(t, 1, won[i].Load(), i)
	}
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		used, err := tx.Audit().List("default", storage.AuditFilter{Kind: vocab.AuditApprovalConsumed, Limit: 2 * approvals})
		ids := map[string]bool{}
		for _, e := range used {
			ids[e.ApprovalID] = true
		}
		require.Len(t, used, approvals)
		require.Len(t, ids, approvals)
		return err
	}))
}

// Of 200 goroutines that look for room and reserve in one transaction, as many succeed as
// the budget has room for.
func budgetsParallelDecisionsStayWithinTheLimit(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	list := []storage.Reservation{{Budget: "b", Key: "k", Window: time.Hour, Amount: 1, Limit: 50}}
	full := errors.New("no room")
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			err := db.Update(t.Context(), func(tx storage.Tx) error {
				if exceeded, err := tx.Policies().Room("t", noon, list); err != nil || len(exceeded) > 0 {
					return cmp.Or(err, full)
				}
				return tx.Policies().Reserve("t", noon, aureus.NewDecisionID(noon), list)
			})
			switch {
			case err == nil:
				passed.Add(1)
			case !errors.Is(err, full):
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 50, passed.Load())
}

// Concurrent appends make a single chain.
func auditLogParallelAppendsDoNotFork(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	const tenants, each = 3, 60
	var all sync.WaitGroup
	for n := range tenants * each {
		all.Go(func() {
			tenant := fmt.Sprintf("t%d", n%tenants)
			if err := db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().Append(tenant, noon, entry(strconv.Itoa(n))) }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for n := range tenants {
		v, err := storage.VerifyAudit(t.Context(), db, fmt.Sprintf("t%d", n))
		require.NoError(t, err)
		require.True(t, v.Valid)
		require.EqualValues(t, each, v.Entries)
	}
}

func writesOfManyShareCommits(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			if err := db.Update(t.Context(), appendEntry(strconv.Itoa(i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Len(t, texts(t, db), 300)
}

// Eight people decide each of 100 approvals at the same moment, and each needs two of
// them: exactly two count, and only the second one approves.
func approvalsManyVotersApproveOnce(t *testing.T, open Open) {
	const approvals, voters = 100, 8
	a := newApprovalsTest(t, open)
	list := make([]aureus.Approval, approvals)
	for i := range list {
		list[i] = a.Wanted(i, "v1")
		list[i].Principal.ID = strconv.Itoa(i)
		var err error
		list[i], _, err = a.TryTerms(ledger, list[i], aureus.ApprovalTerms{Quorum: 2})
		require.NoError(t, err)
	}
	counted := make([]atomic.Int32, approvals)
	var all sync.WaitGroup
	start := make(chan struct{})
	for n := range voters {
		by := storage.Actor{KeyID: "key_voter_" + strconv.Itoa(n), Subject: "voter " + strconv.Itoa(n)}
		all.Go(func() {
			<-start
			for i := range list {
				switch err := a.Decide(by, list[i].ID, true); {
				case err == nil:
					counted[i].Add(1)
				case !errors.Is(err, storage.ErrConflict):
					t.Errorf("unexpected: %v", err)
				}
			}
		})
	}
	close(start)
	all.Wait()
	for i := range list {
		require.EqualValues(t, 2, counted[i].Load(), i)
		now := a.Get(list[i].ID)
		require.Equal(t, aureus.ApprovalApproved, now.Status)
		require.Equal(t, aureus.Quorum{Needed: 2, Have: 2}, now.Quorum)
	}
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		votes, err := tx.Audit().List("default", storage.AuditFilter{Kind: vocab.AuditApprovalApproved, Limit: 4 * approvals})
		require.Len(t, votes, 2*approvals)
		approved := map[string]int{}
		for _, e := range votes {
			if e.ToState == vocab.StateApproved {
				approved[e.ApprovalID]++
			}
		}
		require.Len(t, approved, approvals)
		for id, n := range approved {
			require.Equal(t, 1, n, id)
		}
		return err
	}))
}

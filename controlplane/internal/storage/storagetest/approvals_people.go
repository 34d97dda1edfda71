package storagetest

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// An approval cannot be used if the key that asked for it or approved it is revoked.
func approvalsKeyRevokedGivesNoAuthority(t *testing.T, open Open) {
	for name, row := range map[string]struct {
		revoked  storage.Actor
		approved bool
	}{
		"the approver's key":  {olga, true},
		"the requester's key": {ledger, true},
		"the requester's key, while the approval is pending": {ledger, false},
	} {
		for _, swept := range []bool{true, false} {
			t.Run(fmt.Sprint(name, swept), func(t *testing.T) {
				a := newApprovalsTest(t, open)
				for _, by := range []storage.Actor{ledger, ledger2, olga} {
					a.addKey(by)
				}
				found := a.ask(ledger, 1)
				if row.approved {
					a.approve(found.ID)
				}
				other := a.ask(ledger2, 2)
				if swept {
					a.revoke(row.revoked)
					require.Equal(t, aureus.ApprovalExpired, a.Get(found.ID).Status)
					kinds := a.kinds(found.ID)
					require.Equal(t, vocab.AuditApprovalExpired, kinds[len(kinds)-1])
				} else { // as if another program had revoked the key
					require.NoError(t, a.Update(func(tx storage.Tx) error { return storage.RowsOf(tx).Keys().SetRevoked(row.revoked.KeyID, noon) }))
				}
				if row.approved {
					_, err := a.Use(ledger2, found, "v1")
					require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err())
				} else {
					require.ErrorIs(t, a.Decide(otto, found.ID, true), storage.ErrConflict)
				}
				anew := a.ask(ledger2, 1)
				require.NotEqual(t, found.ID, anew.ID, "a new approval is asked for")
				require.Equal(t, aureus.ApprovalPending, anew.Status)
				require.Equal(t, aureus.ApprovalExpired, a.Get(found.ID).Status)
				require.Equal(t, aureus.ApprovalPending, a.Get(other.ID).Status)
			})
		}
	}
}

// A rejection stays valid even if the key of the person who rejected is revoked.
func approvalsRejectersKeyRevokedStaysRejected(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	a.addKey(olga)
	found := a.ask(ledger, 1)
	require.NoError(t, a.Decide(olga, found.ID, false))
	a.revoke(olga)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)
	require.Equal(t, aureus.ApprovalRejected, a.Get(found.ID).Status)
}

// An approval that needs two people is not approved by one person with three spellings
// of one name.
func aPersonCountsOnce(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	asked := aureus.Approval{
		ID: "apr", Principal: aureus.Principal{ID: "agent", Type: "agent"}, ActionDigest: aureus.Digest{7},
		Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh,
	}
	decide := func(key, subject string) (a aureus.Approval, err error) {
		err = db.Update(t.Context(), func(tx storage.Tx) error {
			a, err = tx.Approvals().Decide("default", noon, storage.Actor{KeyID: key, Subject: subject}, "apr", storage.NewVerdict{Approve: true, Role: "operator", Digest: asked.ActionDigest}, hour)
			return err
		})
		return a, err
	}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		by := storage.Actor{KeyID: "k0", Subject: "svc"}
		prepared, err := storage.PrepareApproval(noon, by, asked, aureus.DecisionID{})
		if err != nil {
			return err
		}
		prepared.Terms.Quorum = 2
		_, _, err = tx.Approvals().Ask("default", noon, by, prepared, hour)
		return err
	}))
	a, err := decide("k1", "Olga")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalPending, a.Status)
	for key, subject := range map[string]string{"k1": "Olga", "k2": "olga", "k3": "OLGA", "k4": " Olga"} {
		_, err = decide(key, subject)
		require.ErrorIs(t, err, storage.ErrConflict, "%q", subject)
	}
	_, err = decide("k5", "SVC")
	require.ErrorIs(t, err, storage.ErrRequester)
	for i, subject := range []string{"\uff2flga", "Ol\u200bga", "\u202eOlga", "Olga\u00a0", "OLGA\ufe0f"} { // keys that an older version created
		_, err = decide("older"+strconv.Itoa(i), subject)
		require.ErrorIs(t, err, storage.ErrConflict, "%+q", subject)
	}

	// Verdicts that an older version accepted also count only once.
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, err := storage.RowsOf(tx).Approvals().AddVerdict("default", storage.Verdict{
			ApprovalID: "apr", By: storage.Actor{KeyID: "k2", Subject: "olga"}, At: time.Unix(0, 1), Verdict: "approve",
		})
		return err
	}))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		a, err = tx.Approvals().Get("default", noon, "apr", nil)
		return err
	}))
	require.Len(t, a.Decisions, 2)
	require.Equal(t, aureus.Quorum{Needed: 2, Have: 1}, a.Quorum)

	a, err = decide("k6", "Otto")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, a.Status)
	require.Equal(t, 2, a.Quorum.Have)
}

// Revoking a key does not end the approvals that the key only joined or rejected.
func approvalsOfAKeyAreThoseItAskedForFirstOrApproved(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	ids := make([]string, 3)
	for n := range ids {
		asked, _, err := a.Try(ledger, a.Wanted(n, "v1"))
		require.NoError(t, err)
		ids[n] = asked.ID
	}
	_, joined, err := a.Try(ledger2, a.Wanted(0, "v1"))
	require.NoError(t, err)
	require.True(t, joined)
	write(t, a.DB, func(tx storage.Tx) error {
		for n, approve := range map[int]bool{1: true, 2: false} {
			if _, err := tx.Approvals().Decide("default", a.Now, olga, ids[n], storage.NewVerdict{Approve: approve, Role: "operator", Digest: aureus.Digest{byte(n), 0, 1}}, bounds); err != nil {
				return err
			}
		}
		return nil
	})
	for keyID, want := range map[string][]string{ledger.KeyID: ids[:2], ledger2.KeyID: nil, olga.KeyID: ids[1:2]} {
		require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
			var got []string
			rows, err := storage.RowsOf(tx).Approvals().OfKey("default", keyID)
			for _, row := range rows {
				got = append(got, row.ID)
			}
			require.ElementsMatch(t, want, got, keyID)
			return err
		}))
	}
}

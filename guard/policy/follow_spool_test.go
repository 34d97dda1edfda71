package policy_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// movable is a clock that a test moves.
type movable struct {
	mu  sync.Mutex
	now time.Time
}

func (c *movable) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *movable) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Records stay in the spool while the control plane takes none, and the next follower
// sends them, each once, with the outcomes after their decisions.
func TestFollow_Spool_KeepsRecordsUntilTheyAreSent(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	p.set(func() { p.noRecords = true })
	folder := filepath.Join(t.TempDir(), "spool")
	f := p.follow(t, "", policy.FollowConfig{Spool: folder})
	var ids []aureus.DecisionID
	for range 10 {
		decision, err := f.Decide(t.Context(), ask("ann", "look", nil))
		require.NoError(t, err)
		ids = append(ids, decision.ID)
	}
	require.NoError(t, f.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: ids[0], Status: "success"}, {Status: "success"}}))
	require.EqualValues(t, 11, f.Stats().Recorded)
	require.Positive(t, f.Stats().Spooled)
	_, err := policy.Follow(t.Context(), p.client(t), "", policy.FollowConfig{Spool: folder})
	require.ErrorContains(t, err, "folder of its own")
	require.ErrorContains(t, f.Close(t.Context()), "stay in the spool")
	torn, err := os.OpenFile(filepath.Join(folder, "9999999999999999.jsonl"), os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = torn.WriteString("not a record\n" + `{"decision":{"decision_id":"dec_`)
	require.NoError(t, err)
	require.NoError(t, torn.Close())

	p.set(func() { p.noRecords = false })
	next := p.follow(t, "", policy.FollowConfig{Spool: folder})
	eventually(t, func() bool { return next.Stats().Spooled == 0 }, "the spool")
	require.EqualValues(t, 1, next.Stats().Dropped, "the line that is not a record")
	require.NoError(t, next.Close(t.Context()))
	p.set(func() {
		var got []aureus.DecisionID
		for _, r := range p.recorded {
			got = append(got, r.DecisionID)
			require.Equal(t, []any{"followed/1", false}, []any{r.Bundle, r.Claimed})
		}
		require.Equal(t, ids, got)
		require.Len(t, p.outcomes, 1)
	})
}

// While the spool is full, nothing is allowed or denied unrecorded.
func TestFollow_SpoolFull_IsUndecided(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	p.set(func() { p.noRecords = true })
	f := p.follow(t, "", policy.FollowConfig{Spool: t.TempDir(), SpoolLimit: 1 << 20})
	allowedOnes := 0
	for {
		decision, err := f.Decide(t.Context(), ask("ann", "look", nil))
		if err != nil {
			require.Equal(t, aureus.Deny, decision.Effect)
			require.ErrorContains(t, err, "full")
			break
		}
		allowedOnes++
	}
	require.LessOrEqual(t, f.Stats().Spooled, int64(1<<20))
	require.EqualValues(t, 1, f.Stats().Undecided)
	require.EqualValues(t, allowedOnes, f.Stats().Recorded)
	p.set(func() { p.noRecords = false })
	eventually(t, func() bool { _, err := f.Decide(t.Context(), ask("ann", "look", nil)); return err == nil }, "room")
	require.NoError(t, f.Close(t.Context()))
	p.set(func() { require.GreaterOrEqual(t, len(p.recorded), allowedOnes) })
}

// Records that the control plane rejects are counted, and do not stay.
func TestFollow_RejectedRecords_AreCounted(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{"in memory": "", "spool": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newControlPlane(t, followed(1))
			p.set(func() { p.rejects = true })
			f := p.follow(t, "", policy.FollowConfig{Spool: folder})
			_, err := f.Decide(t.Context(), ask("ann", "look", nil))
			require.NoError(t, err)
			eventually(t, func() bool { return f.Stats().Dropped == 1 }, "the rejection")
			require.Zero(t, f.Stats().Spooled)
		})
	}
}

// Close does not wait longer than its context, and the spool keeps the rest.
func TestFollow_CloseWithoutTime_KeepsTheSpool(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	p.set(func() { p.noRecords = true })
	f := p.follow(t, "", policy.FollowConfig{Spool: t.TempDir()})
	_, err := f.Decide(t.Context(), ask("ann", "look", nil))
	require.NoError(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, f.Close(ended), "stay in the spool")
	require.ErrorContains(t, f.Close(t.Context()), "stay in the spool", "a later Close returns the same")
}

// An outcome of a request that the control plane allowed is sent before RecordOutcomes
// returns: it may give something back.
func TestFollow_OutcomeOfRemoteAllow_IsSentAtOnce(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	p.set(func() { p.decide = allowed("followed/1") })
	f := p.follow(t, "", policy.FollowConfig{})
	remote, err := f.Decide(t.Context(), ask("ann", "count", nil))
	require.NoError(t, err)
	require.NoError(t, f.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: remote.ID, Status: "blocked"}}))
	p.set(func() { require.Len(t, p.outcomes, 1) })
	p.set(func() { p.down = true })
	remoteAgain := aureus.Outcome{DecisionID: remote.ID, Status: "success"}
	require.NoError(t, f.RecordOutcomes(t.Context(), []aureus.Outcome{remoteAgain}), "it is recorded in the background")
}

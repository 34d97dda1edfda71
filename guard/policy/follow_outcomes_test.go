package policy_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// inBoth runs a test with records in memory and in a spool.
func inBoth(t *testing.T, test func(t *testing.T, spool string)) {
	t.Helper()
	for name, folder := range map[string]string{"in memory": "", "spool": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, folder)
		})
	}
}

// Each outcome reaches the control plane after its decision, whoever has decided, and
// although many requests are under way and nobody waits for either record.
func TestFollow_RecordOutcome_ComesAfterItsDecision(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, spool string) {
		t.Helper()
		p := newControlPlane(t, followed(1))
		p.set(func() { p.decide = allowed("followed/1") })
		f := p.follow(t, "", policy.FollowConfig{Spool: spool})
		const workers, each = 4, 200
		var working sync.WaitGroup
		for range workers {
			working.Go(func() {
				for n := range each {
					action := "look"
					if n%50 == 0 {
						action = "count" // decided by the control plane
					}
					decision, err := f.Decide(t.Context(), ask("ann", action, nil))
					if err != nil {
						t.Error(err)
					}
					f.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: decision.ID, Status: "success"})
				}
			})
		}
		working.Wait()
		f.RecordOutcome(t.Context(), aureus.Outcome{Status: "refused"}) // without a decision
		require.NoError(t, f.Close(t.Context()))
		require.Zero(t, f.Stats().Dropped)
		p.set(func() {
			closed := map[aureus.DecisionID]bool{}
			for _, o := range p.outcomes {
				closed[o.DecisionID] = true
			}
			require.Len(t, closed, workers*each)
			require.Empty(t, p.early, "outcomes before their decisions")
		})
	})
}

// RecordOutcome does not wait for a control plane that does not answer, also about a
// request that the control plane has allowed.
func TestFollow_RecordOutcome_DoesNotWait(t *testing.T) {
	t.Parallel()
	inBoth(t, func(t *testing.T, spool string) {
		t.Helper()
		p := newControlPlane(t, followed(1))
		p.set(func() { p.decide = allowed("followed/1") })
		f := p.follow(t, "", policy.FollowConfig{Spool: spool, Interval: time.Hour})
		decision, err := f.Decide(t.Context(), ask("ann", "count", nil))
		require.NoError(t, err)
		p.set(func() { // nothing is answered until set returns
			f.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: decision.ID, Status: "success"})
		})
		require.NoError(t, f.Close(t.Context()))
		p.set(func() {
			require.Len(t, p.outcomes, 1)
			require.Empty(t, p.early)
		})
		f.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: decision.ID, Status: "success"})
		require.EqualValues(t, 1, f.Stats().Dropped, "after Close it is counted")
		var none *policy.Follower
		none.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: decision.ID})
	})
}

// A spool that is too full for decisions still takes the outcomes of those that were made.
func TestFollow_SpoolFull_StillTakesOutcomes(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	p.set(func() { p.noRecords = true })
	f := p.follow(t, "", policy.FollowConfig{Spool: t.TempDir(), SpoolLimit: 1 << 20})
	var last aureus.DecisionID
	for {
		decision, err := f.Decide(t.Context(), ask("ann", "look", nil))
		if err != nil {
			require.ErrorContains(t, err, "full")
			break
		}
		last = decision.ID
	}
	taken := 0
	for ; f.Stats().Dropped == 0; taken++ {
		f.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: last, Status: "success"})
	}
	require.Greater(t, taken, 100)
	require.LessOrEqual(t, f.Stats().Spooled, int64(1<<20))
	require.ErrorContains(t, f.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: last, Status: "success"}}), "full")
}

// The log says that records were dropped at the first one, then at most each minute with
// their number, and at the end.
func TestFollow_DroppedRecords_AreLogged(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	p.set(func() { p.rejects = true })
	clock := &movable{now: time.Now()}
	var log logged
	f := p.follow(t, "", policy.FollowConfig{Spool: t.TempDir(), Interval: time.Hour, Now: clock.Now, Logger: log.logger()})
	drop := func(total int) {
		_, err := f.Decide(t.Context(), ask("ann", "look", nil))
		require.NoError(t, err)
		eventually(t, func() bool { return f.Stats().Dropped == uint64(total) && f.Stats().Spooled == 0 }, "the rejection")
	}
	lines := func() (found []string) {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "records were dropped") {
				_, numbers, _ := strings.Cut(strings.TrimSpace(line), "audit log\" ")
				found = append(found, numbers)
			}
		}
		return found
	}
	drop(1)
	eventually(t, func() bool { return len(lines()) == 1 }, "the first line")
	drop(2)
	drop(3)
	clock.set(clock.Now().Add(time.Minute))
	drop(4)
	eventually(t, func() bool { return len(lines()) == 2 }, "the second line")
	drop(5)
	require.NoError(t, f.Close(t.Context()))
	require.Equal(t, []string{"records=1 since_start=1", "records=3 since_start=4", "records=1 since_start=5"}, lines())
}

// The statistics name the stops that hold and the time of the last change, from the moment
// on in which decisions are made by them.
func TestFollow_Stats_NameTheStops(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	began := time.Now()
	clock := &movable{now: began}
	f := p.follow(t, "", policy.FollowConfig{Now: clock.Now})
	before := f.Stats()
	require.Zero(t, before.Stops)
	require.True(t, before.Changed.Equal(began))
	clock.set(began.Add(time.Hour))
	p.set(func() {
		p.stops = []aureus.PolicyStop{{Scope: "action:look", Reason: "drill"}, {Scope: "principal:bob", Reason: "drill"}}
	})
	eventually(t, func() bool { return f.Stats().Stops == 2 }, "the stops")
	decision, err := f.Decide(t.Context(), ask("ann", "look", nil))
	require.NoError(t, err)
	require.Equal(t, aureus.ReasonStopped, decision.ReasonCode)
	after := f.Stats()
	require.True(t, after.Changed.Equal(began.Add(time.Hour)))
	_, etag, err := p.client(t).PolicyStops(t.Context(), aureus.Digest{})
	require.NoError(t, err)
	require.Equal(t, etag, after.StopsETag)
	require.NotEqual(t, before.StopsETag, after.StopsETag)
	clock.set(began.Add(2 * time.Hour))
	p.set(func() { p.text = followed(2) })
	eventually(t, func() bool { return f.Stats().Changed.Equal(began.Add(2 * time.Hour)) }, "the time of the new bundle")
	require.Equal(t, "followed/2", f.Stats().Bundle)
}

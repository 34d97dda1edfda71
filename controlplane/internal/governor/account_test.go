package governor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func newGovernor() *Governor {
	return New(Limits{Requests: 16, Streams: 16, Runs: 16, Parked: 16, Bytes: 1, LargestBody: 1 << 20, Processors: 1})
}

var alice, bob = Owner{"a", "alice"}, Owner{"b", "bob"}

func TestAccount_Close_ReleasesEverything(t *testing.T) {
	t.Parallel()
	g := newGovernor()
	a, err := g.Enter(alice, false)
	require.NoError(t, err)
	require.NoError(t, a.Charge(1000))
	require.NoError(t, a.Work(t.Context()))
	require.NoError(t, a.Work(t.Context()), "a second call takes no second place")
	require.EqualValues(t, 1, g.Requests.InUse())
	require.EqualValues(t, RequestBytes+1000, g.Bytes.InUse())
	require.EqualValues(t, 1, g.Work.InUse())
	a.Refund(400)
	require.EqualValues(t, RequestBytes+600, g.Bytes.InUse())
	release, err := a.Follow()
	require.NoError(t, err)
	require.Zero(t, g.Requests.InUse(), "a stream no longer counts as a request")
	require.EqualValues(t, 1, g.Streams.InUse())
	release()
	release()
	a.Close()
	a.Close()
	for _, p := range []*Pool{g.Requests, g.Streams, g.Bytes, g.Work} {
		require.Zero(t, p.InUse())
	}
	require.Error(t, a.Charge(1), "a closed account cannot be charged")
	require.Zero(t, g.Bytes.InUse())
	require.NoError(t, a.Work(t.Context()))
	require.Zero(t, g.Work.InUse())
}

func TestEnter_Refused_HoldsNothing(t *testing.T) {
	t.Parallel()
	g := newGovernor()
	require.NoError(t, g.Bytes.Take(alice, g.Bytes.Shares().Key, true))
	_, err := g.Enter(alice, true)
	require.Equal(t, LevelKey, refusedAt(t, err))
	require.Zero(t, g.Requests.InUse())
	other, err := g.Enter(bob, false)
	require.NoError(t, err, "another tenant has its own share")
	other.Close()
}

func TestAccount_Nil_HasNoLimits(t *testing.T) {
	t.Parallel()
	var a *Account
	require.NoError(t, a.Charge(1<<40))
	a.Refund(1)
	require.NoError(t, a.Work(t.Context()))
	a.Rest()
	release, err := a.Follow()
	require.NoError(t, err)
	release()
	a.Close()
}

func TestWork_NoTurnInTime_ReturnsErrNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor()
		holder, err := g.Enter(alice, true)
		require.NoError(t, err)
		require.NoError(t, holder.Work(t.Context()))
		second, err := g.Enter(alice, true)
		require.NoError(t, err)
		begun := time.Now()
		require.ErrorIs(t, second.Work(t.Context()), ErrNoTurn)
		require.Equal(t, MaxWait, time.Since(begun))
		other, err := g.Enter(bob, false)
		require.NoError(t, err)
		require.NoError(t, other.Work(t.Context()), "another tenant gets a place at once")
		holder.Rest()
		holder.Rest()
		require.NoError(t, second.Work(t.Context()))
	})
}

// The share of one key has room for the largest body, and for the text that decodes
// to the largest values.
func TestNew_KeyShare_FitsTheLargestBody(t *testing.T) {
	t.Parallel()
	g := New(Limits{Requests: 1, Streams: 1, Runs: 1, Parked: 1, Bytes: 1, LargestBody: 64 << 20, Processors: 1})
	require.GreaterOrEqual(t, room(g.Bytes.Shares().Key, false), int64(2*64<<20))
	g = newGovernor()
	worst := []byte(strings.Repeat(`{":,[`, 1<<18))
	require.GreaterOrEqual(t, room(g.Bytes.Shares().Key, false), Weigh(worst)+int64(len(worst)))
}

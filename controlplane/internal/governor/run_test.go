package governor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A parked run frees its slot for another run, and waits for a slot when it
// continues.
func TestPark_Run_FreesItsSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor() // four runs of a key
		runs := make([]*Run, 4)
		for i := range runs {
			var err error
			runs[i], err = g.StartRun(alice, 10)
			require.NoError(t, err)
		}
		_, err := g.StartRun(alice, 10)
		require.Equal(t, LevelKey, refusedAt(t, err))
		runs[0].Park()
		runs[0].Park()
		require.EqualValues(t, 3, g.Runs.InUse())
		require.EqualValues(t, 1, g.Parked.InUse())
		other, err := g.StartRun(alice, 10)
		require.NoError(t, err)

		unparked := make(chan error, 1)
		go func() { unparked <- runs[0].Unpark(t.Context()) }()
		synctest.Wait()
		require.Empty(t, unparked, "no slot is free")
		other.Close()
		require.NoError(t, <-unparked)
		require.EqualValues(t, 4, g.Runs.InUse())
		require.Zero(t, g.Parked.InUse())
		for _, run := range runs {
			run.Close()
			run.Close()
		}
		require.Zero(t, g.Runs.InUse())
		require.Zero(t, g.Bytes.InUse())
	})
}

// A run whose context ends while it waits holds nothing after Close.
func TestUnpark_ContextDone_StaysParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor()
		parked, err := g.StartRun(alice, 10)
		require.NoError(t, err)
		parked.Park()
		others := g.Runs.Shares().Key
		require.NoError(t, g.Runs.Take(alice, others, true))
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("cancelled")
		resumed, unparked := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := g.ResumeRun(ctx, alice, 10)
			resumed <- err
		}()
		go func() { unparked <- parked.Unpark(ctx) }()
		synctest.Wait()
		cancel(cause)
		require.ErrorIs(t, <-resumed, cause)
		require.ErrorIs(t, <-unparked, cause)
		require.EqualValues(t, 1, g.Parked.InUse())
		parked.Close()
		require.Zero(t, g.Parked.InUse())
		require.Zero(t, g.Bytes.InUse())
		require.Equal(t, others, g.Runs.InUse())
	})
}

// If the pool of parked runs is full, a run keeps its slot.
func TestPark_NoRoom_KeepsTheSlot(t *testing.T) {
	t.Parallel()
	g := newGovernor()
	run, err := g.StartRun(alice, 10)
	require.NoError(t, err)
	require.NoError(t, g.Parked.Take(alice, g.Parked.Shares().Key, true))
	run.Park()
	require.EqualValues(t, 1, g.Runs.InUse())
	require.NoError(t, run.Unpark(t.Context()))
	run.Close()
	require.Zero(t, g.Runs.InUse())
}

// A run that continues after a restart waits for memory as well as for a slot.
func TestResumeRun_NoMemory_Waits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor()
		room := g.Bytes.Shares().Key
		require.NoError(t, g.Bytes.Take(alice, room, true))
		resumed := make(chan *Run, 1)
		go func() {
			run, err := g.ResumeRun(t.Context(), alice, 10)
			if err == nil {
				resumed <- run
			}
		}()
		synctest.Wait()
		require.Empty(t, resumed)
		g.Bytes.Give(alice, room)
		run := <-resumed
		require.EqualValues(t, 1, g.Runs.InUse())
		require.EqualValues(t, 10, g.Bytes.InUse())
		run.Close()
		require.Zero(t, g.Bytes.InUse())
	})
}

// Results are charged until the run is closed. Without room, Charge waits and then
// fails.
func TestRunCharge_NoRoom_WaitsAndFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor()
		run, err := g.StartRun(alice, 10)
		require.NoError(t, err)
		require.NoError(t, run.Charge(t.Context(), 90))
		require.EqualValues(t, 100, g.Bytes.InUse())
		others := g.Bytes.Room(false) - 100
		require.NoError(t, g.Bytes.Take(alice, others, false))
		require.ErrorIs(t, run.Charge(t.Context(), 1), ErrNoTurn)
		charged := make(chan error, 1)
		go func() { charged <- run.Charge(t.Context(), 5) }()
		synctest.Wait()
		require.Empty(t, charged)
		g.Bytes.Give(alice, others)
		require.NoError(t, <-charged)
		require.EqualValues(t, 105, g.Bytes.InUse())
		run.Close()
		require.Zero(t, g.Bytes.InUse())
		require.Error(t, run.Charge(t.Context(), 5), "a closed run cannot be charged")
		require.Zero(t, g.Bytes.InUse())
	})
}

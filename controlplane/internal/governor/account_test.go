package governor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func newGovernor() *Governor {
	return New(Limits{Requests: 16, Streams: 16, Runs: 16, Parked: 16, Bytes: 1, LargestBody: 1 << 20, Processors: 1})
}

var alice, bob = Owner{"a", "alice"}, Owner{"b", "bob"}

func TestAccount_Close_GivesEverythingBack(t *testing.T) {
	g := newGovernor()
	a, err := g.Enter(alice, false)
	require.NoError(t, err)
	require.NoError(t, a.Charge(1000))
	require.NoError(t, a.Work(t.Context()))
	require.NoError(t, a.Work(t.Context()), "a second time is the same turn")
	require.EqualValues(t, 1, g.Requests.InUse())
	require.EqualValues(t, RequestBytes+1000, g.Bytes.InUse())
	require.EqualValues(t, 1, g.Work.InUse())
	a.Refund(400)
	require.EqualValues(t, RequestBytes+600, g.Bytes.InUse())
	release, err := a.Follow()
	require.NoError(t, err)
	require.Zero(t, g.Requests.InUse(), "who follows is no request under way any more")
	require.EqualValues(t, 1, g.Streams.InUse())
	release()
	release()
	a.Close()
	a.Close()
	for _, p := range []*Pool{g.Requests, g.Streams, g.Bytes, g.Work} {
		require.Zero(t, p.InUse())
	}
	require.Error(t, a.Charge(1), "not after its end")
	require.Zero(t, g.Bytes.InUse())
	require.NoError(t, a.Work(t.Context()))
	require.Zero(t, g.Work.InUse())
}

func TestAccount_RefusedEntry_HoldsNothing(t *testing.T) {
	g := newGovernor()
	require.NoError(t, g.Bytes.Take(alice, g.Bytes.Shares().Key, true))
	_, err := g.Enter(alice, true)
	require.Equal(t, LevelKey, refusedAt(t, err))
	require.Zero(t, g.Requests.InUse())
	other, err := g.Enter(bob, false)
	require.NoError(t, err, "another tenant has its own")
	other.Close()
}

func TestAccount_Nil_IsWithoutBounds(t *testing.T) {
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

func TestWork_NoTurnInTime_IsAnError(t *testing.T) {
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
		require.NoError(t, other.Work(t.Context()), "another tenant has a turn at once")
		holder.Rest()
		holder.Rest()
		require.NoError(t, second.Work(t.Context()))
	})
}

// A body is paid for before there is memory for it, and at most twice its length.
func TestReadAll_ChargesBeforeItGrows(t *testing.T) {
	for name, row := range map[string]struct{ length, declared int64 }{
		"nothing":                            {0, 0},
		"a declared length":                  {50_000, 50_000},
		"a long declared length":             {900_000, 900_000},
		"no declared length":                 {900_000, -1},
		"one that declares less":             {900_000, 10},
		"one that declares the limit":        {10, 1 << 20},
		"as long as may be":                  {1 << 20, -1},
		"one byte beyond, which is cut here": {1<<20 + 1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGovernor()
			a, err := g.Enter(alice, false)
			require.NoError(t, err)
			text := bytes.Repeat([]byte("x"), int(row.length))
			most := int64(0)
			watched := readerFunc(func(p []byte) (int, error) {
				most = max(most, g.Bytes.InUse())
				n := copy(p, text)
				text = text[n:]
				if n == 0 {
					return 0, io.EOF
				}
				return n, nil
			})
			body, err := ReadAll(watched, row.declared, 1<<20, a)
			require.NoError(t, err)
			require.Len(t, body, int(row.length))
			require.EqualValues(t, RequestBytes+cap(body), g.Bytes.InUse(), "what is there is paid for, and nothing else")
			require.LessOrEqual(t, most, RequestBytes+max(2*row.length, firstTrust)+2*slack+firstStep)
			a.Close()
			require.Zero(t, g.Bytes.InUse())
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReadAll_BeyondTheShare_FailsAtOnce(t *testing.T) {
	g := newGovernor()
	a, err := g.Enter(alice, false)
	require.NoError(t, err)
	endless := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	_, err = ReadAll(endless, -1, 1<<40, a)
	require.Equal(t, LevelKey, refusedAt(t, err))
	require.LessOrEqual(t, g.Bytes.InUse(), room(g.Bytes.Shares().Key, false))
	a.Close()
	require.Zero(t, g.Bytes.InUse())

	broken := errors.New("broken")
	_, err = ReadAll(iotest.ErrReader(broken), 10, 10, nil)
	require.ErrorIs(t, err, broken)
}

// The largest body, and the text that decodes into most, fit into the share of
// one key beside nothing else.
func TestNew_AKeysShare_HoldsTheLargestBody(t *testing.T) {
	g := New(Limits{Requests: 1, Streams: 1, Runs: 1, Parked: 1, Bytes: 1, LargestBody: 64 << 20, Processors: 1})
	require.GreaterOrEqual(t, room(g.Bytes.Shares().Key, false), int64(2*64<<20))
	g = newGovernor()
	worst := []byte(strings.Repeat(`{":,[`, 1<<18))
	require.GreaterOrEqual(t, room(g.Bytes.Shares().Key, false), Weigh(worst)+int64(len(worst)))
}

type deadlines struct{ until time.Time }

func (d *deadlines) SetReadDeadline(t time.Time) error { d.until = t; return nil }

type noDeadlines struct{}

func (noDeadlines) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

func TestBody_MinimumRate(t *testing.T) {
	for name, row := range map[string]struct {
		piece int
		pause time.Duration
		after time.Duration // when it is given up; 0 is never
	}{
		"nothing in the time of grace":        {0, Grace + 1, Grace + 1},
		"a little now and then":               {10, time.Second, Grace + time.Second},
		"just enough, until the longest time": {MinRate, time.Second, MaxBodyTime + time.Second},
		"faster":                              {100 * MinRate, time.Second / 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := 100
				slow := readerFunc(func(p []byte) (int, error) {
					left--
					if left < 0 {
						return 0, io.EOF
					}
					time.Sleep(row.pause)
					return min(row.piece, len(p)), nil
				})
				begun := time.Now()
				body := NewBody(io.NopCloser(slow), noDeadlines{})
				buffer := make([]byte, 100*MinRate)
				var err error
				for err == nil {
					_, err = body.Read(buffer)
				}
				if row.after == 0 {
					require.ErrorIs(t, err, io.EOF)
					return
				}
				require.ErrorIs(t, err, ErrSlow)
				require.Equal(t, row.after, time.Since(begun))
				_, err = body.Read(buffer)
				require.ErrorIs(t, err, ErrSlow, "it stays so")
			})
		})
	}
}

func TestBody_DeadlinesOfTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deadlines{}
		begun := time.Now()
		body := NewBody(io.NopCloser(iotest.OneByteReader(strings.NewReader(strings.Repeat("x", MinRate)+"!"))), d)
		one := make([]byte, 1)
		for range MinRate {
			_, err := body.Read(one)
			require.NoError(t, err)
		}
		_, err := body.Read(one)
		require.NoError(t, err)
		require.Equal(t, begun.Add(Grace+time.Second), d.until, "what has come buys time")
		_, err = body.Read(one)
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, d.until, "afterwards the connection has no deadline of the body's")
		require.NoError(t, body.Close())

		late := NewBody(io.NopCloser(iotest.ErrReader(context.DeadlineExceeded)), d)
		_, err = late.Read(one)
		require.ErrorIs(t, err, context.DeadlineExceeded, "another error is what it is")
		late = NewBody(io.NopCloser(iotest.TimeoutReader(strings.NewReader("ab"))), d)
		_, err = late.Read(one)
		require.NoError(t, err)
	})
}

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

// The account is charged before memory is allocated, and never for more than twice
// the length of the body.
func TestReadAll_Buffer_IsChargedBeforeItGrows(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ length, declared int64 }{
		"nothing":                             {0, 0},
		"a declared length":                   {50_000, 50_000},
		"a long declared length":              {900_000, 900_000},
		"no declared length":                  {900_000, -1},
		"a declared length that is too small": {900_000, 10},
		"a declared length that is too large": {10, 1 << 20},
		"the limit":                           {1 << 20, -1},
		"one byte above the limit":            {1<<20 + 1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGovernor()
			a, err := g.Enter(alice, false)
			require.NoError(t, err)
			text := bytes.Repeat([]byte("x"), int(row.length))
			highest := int64(0)
			watched := readerFunc(func(p []byte) (int, error) {
				highest = max(highest, g.Bytes.InUse())
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
			require.EqualValues(t, RequestBytes+cap(body), g.Bytes.InUse(), "exactly the buffer is charged")
			require.LessOrEqual(t, highest, RequestBytes+max(2*row.length, maxInitialBuffer)+2*slack+firstStep)
			a.Close()
			require.Zero(t, g.Bytes.InUse())
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReadAll_AboveTheShare_FailsAtOnce(t *testing.T) {
	t.Parallel()
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

type deadlines struct{ until time.Time }

func (d *deadlines) SetReadDeadline(t time.Time) error { d.until = t; return nil }

type noDeadlines struct{}

func (noDeadlines) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

func TestBody_BelowMinimumRate_FailsWithErrSlow(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		piece int
		pause time.Duration
		after time.Duration // when reading fails with ErrSlow; 0 means never
	}{
		"nothing during the grace period":     {0, Grace + 1, Grace + 1},
		"a few bytes each second":             {10, time.Second, Grace + time.Second},
		"the minimum rate, until MaxBodyTime": {MinRate, time.Second, MaxBodyTime + time.Second},
		"faster":                              {100 * MinRate, time.Second / 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
				require.ErrorIs(t, err, ErrSlow, "later reads fail too")
			})
		})
	}
}

func TestBody_Read_SetsReadDeadlines(t *testing.T) {
	t.Parallel()
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
		require.Equal(t, begun.Add(Grace+time.Second), d.until, "received bytes extend the deadline")
		_, err = body.Read(one)
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, d.until, "the deadline is removed after the body")
		require.NoError(t, body.Close())

		late := NewBody(io.NopCloser(iotest.ErrReader(context.DeadlineExceeded)), d)
		_, err = late.Read(one)
		require.ErrorIs(t, err, context.DeadlineExceeded, "other errors are returned unchanged")
		late = NewBody(io.NopCloser(iotest.TimeoutReader(strings.NewReader("ab"))), d)
		_, err = late.Read(one)
		require.NoError(t, err)
	})
}

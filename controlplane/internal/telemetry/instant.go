package telemetry

import (
	"cmp"
	"math"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Instant is a time as it is stored and ordered. Seconds and nanoseconds stand
// apart because int64 nanoseconds end in 2262, and timestamps do not.
type Instant struct{ Sec, Nsec int64 }

// Untimed is the instant of what has no readable time: after all others.
var Untimed = Instant{Sec: math.MaxInt64}

// InstantOf is the instant of a time.
func InstantOf(t time.Time) Instant {
	return Instant{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

func instantOfText(text string) Instant {
	t, ok := aureus.Timestamp(text).Time()
	if !ok {
		return Untimed
	}
	return InstantOf(t)
}

// Compare is negative if i is before j, and positive if it is after it.
func (i Instant) Compare(j Instant) int {
	return cmp.Or(cmp.Compare(i.Sec, j.Sec), cmp.Compare(i.Nsec, j.Nsec))
}

// MillisSince is the time from j to i in milliseconds.
func (i Instant) MillisSince(j Instant) float64 {
	return float64(i.Sec-j.Sec)*1e3 + float64(i.Nsec-j.Nsec)/1e6
}

// Position is a place in the order of items: by time, then by arrival.
type Position struct {
	Instant
	Seq int64
}

// The positions before and after all items.
var (
	First = Position{Instant: Instant{Sec: math.MinInt64}}
	Last  = Position{Instant: Instant{Sec: math.MaxInt64, Nsec: math.MaxInt64}, Seq: math.MaxInt64}
)

// Compare is negative if p is before q, and positive if it is after it.
func (p Position) Compare(q Position) int {
	return cmp.Or(p.Instant.Compare(q.Instant), cmp.Compare(p.Seq, q.Seq))
}

// Range bounds the times of a query, inclusive at both ends; nil is no bound.
// The zero Range is everything, items without a readable time included. A Range
// with any bound leaves those out.
type Range struct{ Start, End *time.Time }

// Bounds are the positions after which and up to which the range reaches. The
// first comes before every row of its instant.
func (r Range) Bounds() (after, upTo Position) {
	after, upTo = First, Last
	if r.Start == nil && r.End == nil {
		return after, upTo
	}
	upTo.Sec = Untimed.Sec - 1
	if r.Start != nil {
		after = Position{Instant: InstantOf(*r.Start)}
	}
	if r.End != nil {
		upTo = Position{Instant: InstantOf(*r.End), Seq: math.MaxInt64}
	}
	return after, upTo
}

package telemetry

import (
	"cmp"
	"math"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Instant is a time as it is stored and ordered: Unix seconds and nanoseconds. A single
// int64 of nanoseconds cannot hold times after the year 2262.
type Instant struct{ Sec, Nsec int64 }

// Untimed is the instant of an item without a readable time. It is after all others.
var Untimed = Instant{Sec: math.MaxInt64}

// InstantOf returns the instant of a time.
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

// Compare returns -1 if i is before j, 1 if it is after j, and 0 if they are equal.
func (i Instant) Compare(j Instant) int {
	return cmp.Or(cmp.Compare(i.Sec, j.Sec), cmp.Compare(i.Nsec, j.Nsec))
}

// MillisSince returns the time from j to i in milliseconds.
func (i Instant) MillisSince(j Instant) float64 {
	return float64(i.Sec-j.Sec)*1e3 + float64(i.Nsec-j.Nsec)/1e6
}

// Position is the position of an item in the order: by time, then by arrival.
type Position struct {
	Instant
	Seq int64
}

// The positions before and after all items.
var (
	First = Position{Instant: Instant{Sec: math.MinInt64}}
	Last  = Position{Instant: Instant{Sec: math.MaxInt64, Nsec: math.MaxInt64}, Seq: math.MaxInt64}
)

// Compare returns -1 if p is before q, 1 if it is after q, and 0 if they are equal.
func (p Position) Compare(q Position) int {
	return cmp.Or(p.Instant.Compare(q.Instant), cmp.Compare(p.Seq, q.Seq))
}

// Range limits the times of a query. Both ends are inclusive; nil means no limit. The
// zero Range selects all items, including those without a readable time. A Range with
// a limit excludes those.
type Range struct{ Start, End *time.Time }

// Bounds returns the range as positions. upTo is inclusive and after is exclusive,
// but after comes before all items with the time Start, so that these are in the
// range.
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

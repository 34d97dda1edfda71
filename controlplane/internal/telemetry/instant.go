package telemetry

import (
	"cmp"
	"math"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// instant is a time as it is stored and ordered. Seconds and nanoseconds stand
// apart because int64 nanoseconds end in 2262, and timestamps do not.
type instant struct{ sec, nsec int64 }

// untimed is the instant of what has no readable time: after all others.
var untimed = instant{sec: math.MaxInt64}

func instantOf(t time.Time) instant {
	return instant{sec: t.Unix(), nsec: int64(t.Nanosecond())}
}

func instantOfText(text string) instant {
	t, ok := aureus.Timestamp(text).Time()
	if !ok {
		return untimed
	}
	return instantOf(t)
}

func (i instant) compare(j instant) int {
	return cmp.Or(cmp.Compare(i.sec, j.sec), cmp.Compare(i.nsec, j.nsec))
}

// millisSince is the time from j to i in milliseconds.
func (i instant) millisSince(j instant) float64 {
	return float64(i.sec-j.sec)*1e3 + float64(i.nsec-j.nsec)/1e6
}

// position is a place in the order of answers: by time, then by arrival.
type position struct {
	instant
	seq int64
}

var (
	first = position{instant: instant{sec: math.MinInt64}}
	last  = position{instant: instant{sec: math.MaxInt64, nsec: math.MaxInt64}, seq: math.MaxInt64}
)

func (p position) compare(q position) int {
	return cmp.Or(p.instant.compare(q.instant), cmp.Compare(p.seq, q.seq))
}

// Range bounds the times of a query, inclusive at both ends; nil is no bound.
// The zero Range is everything, items without a readable time included. A Range
// with any bound leaves those out.
type Range struct{ Start, End *time.Time }

// bounds are the positions after which and up to which the range reaches. The
// first comes before every row of its instant.
func (r Range) bounds() (after, upTo position) {
	after, upTo = first, last
	if r.Start == nil && r.End == nil {
		return after, upTo
	}
	upTo.sec = untimed.sec - 1
	if r.Start != nil {
		after = position{instant: instantOf(*r.Start)}
	}
	if r.End != nil {
		upTo = position{instant: instantOf(*r.End), seq: math.MaxInt64}
	}
	return after, upTo
}

package policy

import (
	"sync/atomic"
	"time"
)

// FollowStats counts what a [Follower] has done since it was made.
type FollowStats struct {
	Local     uint64 // requests that were decided in this process
	Remote    uint64 // requests that the control plane decided
	Undecided uint64 // requests for which Decide returned an error
	LastKnown uint64 // requests that were allowed with the code LAST_KNOWN_ALLOW

	Recorded uint64 // records that were put into the queue or the spool
	Dropped  uint64 // records that will never be in the audit log: the queue was full, they could not be sent, or the control plane rejected them
	Spooled  int64  // bytes in the spool

	Bundle      string    // the name and version of the bundle in force
	LastContact time.Time // when the control plane last confirmed the bundle and the stops
	Refused     bool      // the control plane does not accept the key, so that nothing is decided
}

// followCounters are the counters of FollowStats.
type followCounters struct{ local, remote, undecided, lastKnown, recorded, dropped atomic.Uint64 }

// Stats returns the counters and the state now.
func (f *Follower) Stats() FollowStats {
	if f == nil {
		return FollowStats{}
	}
	c := &f.counters
	dropped, spooled := f.records.state()
	return FollowStats{
		Local: c.local.Load(), Remote: c.remote.Load(), Undecided: c.undecided.Load(), LastKnown: c.lastKnown.Load(),
		Recorded: c.recorded.Load(), Dropped: c.dropped.Load() + dropped, Spooled: spooled,
		Bundle: f.engine.Bundle().label, LastContact: time.Unix(0, f.contact.Load()).UTC(), Refused: f.refused.Load() != nil,
	}
}

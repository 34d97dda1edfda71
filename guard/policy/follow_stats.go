package policy

import (
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
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

	Bundle      string        // the name and version of the bundle in force
	Stops       int           // how many stops hold; each decision that begins now is made by them
	StopsETag   aureus.Digest // of these stops, as [aureus.Client.PolicyStops] returns it
	Changed     time.Time     // when the bundle or the stops were last replaced in this process; at first, when the follower began
	LastContact time.Time     // when the control plane last confirmed the bundle and the stops
	Refused     bool          // the control plane does not accept the key, so that nothing is decided
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
	stopped := f.stopped.Load() // before the time, which is then that of these stops or later
	return FollowStats{
		Local: c.local.Load(), Remote: c.remote.Load(), Undecided: c.undecided.Load(), LastKnown: c.lastKnown.Load(),
		Recorded: c.recorded.Load(), Dropped: c.dropped.Load() + dropped, Spooled: spooled,
		Bundle: f.engine.Bundle().label, Stops: stopped.count, StopsETag: stopped.digest, Changed: time.Unix(0, f.changed.Load()).UTC(),
		LastContact: time.Unix(0, f.contact.Load()).UTC(), Refused: f.refused.Load() != nil,
	}
}

// dropLog is what the log says about records that were dropped.
type dropLog struct {
	logged atomic.Uint64 // how many the log has
	at     atomic.Int64  // Unix nanoseconds when it got the last line; 0 before the first
}

// dropPause is the time between two lines about dropped records.
const dropPause = time.Minute

// logDrops logs how many records were dropped since the last line: the first time at once,
// then at most each dropPause, and without a pause if the follower ends.
func (f *Follower) logDrops(ends bool) {
	queued, _ := f.records.state()
	total := f.counters.dropped.Load() + queued
	if total == f.drops.logged.Load() {
		return
	}
	now, last := f.config.Now().UnixNano(), f.drops.at.Load()
	if !ends && last != 0 && now-last < int64(dropPause) || !f.drops.at.CompareAndSwap(last, now) {
		return
	}
	lost := total - f.drops.logged.Swap(total)
	f.config.Logger.Error("records were dropped: they will not be in the audit log", "records", lost, "since_start", total)
}

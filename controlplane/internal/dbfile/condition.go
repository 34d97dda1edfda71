package dbfile

import (
	"sync"
	"time"
)

// probeEvery is the minimum time between two probes.
const probeEvery = time.Second

// Probe is the smallest statement that writes to the file: SQLite writes the
// page that contains the number even if the number stays the same. Nothing else
// uses this number.
const Probe = "PRAGMA user_version = 0"

// Condition records whether the last write of a store succeeded. The zero value
// means that it did. It is safe for concurrent use.
type Condition struct {
	mu     sync.Mutex
	failed error

	probing sync.Mutex // held during a probe
	probed  time.Time  // time of the last probe; guarded by probing
}

// Note records the result of a write. Call it with nil only for a write that
// has reached the file, not for one that changed nothing.
func (c *Condition) Note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
}

// Failed returns the error of the last write, or nil if it succeeded.
func (c *Condition) Failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Ready returns nil if the last write succeeded. After a failed write it calls
// probe, at most once per second, and returns the error that is recorded
// afterwards. probe must write something and record the result with Note.
func (c *Condition) Ready(probe func()) error {
	if c.Failed() != nil {
		c.tryProbe(probe)
	}
	return c.Failed()
}

func (c *Condition) tryProbe(probe func()) {
	if !c.probing.TryLock() {
		return // another goroutine is probing
	}
	defer c.probing.Unlock()
	if !c.probed.IsZero() && time.Since(c.probed) < probeEvery {
		return
	}
	c.probed = time.Now()
	probe()
}

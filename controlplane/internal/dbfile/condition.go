package dbfile

import (
	"sync"
	"time"
)

// probeEvery is how long the answer of a probe holds.
const probeEvery = time.Second

// Probe is the smallest real write: SQLite writes the page that holds the number
// whether or not it changes. Nothing else uses it.
const Probe = "PRAGMA user_version = 0"

// Condition remembers how the last write of a store ended. The zero value knows
// of no failure. It is safe for concurrent use.
type Condition struct {
	mu     sync.Mutex
	failed error

	probing sync.Mutex // held by the one that probes
	probed  time.Time  // guarded by probing
}

// Note notes how a write ended. nil is for one that has reached the file, not
// for one that changed nothing.
func (c *Condition) Note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
}

// Failed is the failure of the last write, or nil where it succeeded.
func (c *Condition) Failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Ready is nil where the last write succeeded. While the last news is a failure,
// it calls probe, which is to write something and to have it noted, once a
// second at the most, and gives the failure that is left.
func (c *Condition) Ready(probe func()) error {
	if c.Failed() != nil {
		c.tryAgain(probe)
	}
	return c.Failed()
}

func (c *Condition) tryAgain(probe func()) {
	if !c.probing.TryLock() {
		return // somebody does
	}
	defer c.probing.Unlock()
	if !c.probed.IsZero() && time.Since(c.probed) < probeEvery {
		return
	}
	c.probed = time.Now()
	probe()
}

package runs

import (
	"sync"
	"time"
)

// maxToolCalls is how many tools may be running in this process, including those that
// did not end in time.
const maxToolCalls = 1000

// toolCalls counts the tools that are running, including those that did not end in
// time. The zero value counts none.
type toolCalls struct {
	mu    sync.Mutex
	n     int
	ended chan struct{} // if not nil, closed when no tool is left
}

// enter counts a tool, or returns false if too many are running. Call leave when the
// tool has returned.
func (c *toolCalls) enter() (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == maxToolCalls {
		return nil, false
	}
	c.n++
	return c.leave, true
}

func (c *toolCalls) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.n == 0 && c.ended != nil {
		close(c.ended)
		c.ended = nil
	}
}

// wait waits until no tool is running, at most for the limit, and returns how many
// still are.
func (c *toolCalls) wait(limit time.Duration) int {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return 0
	}
	if c.ended == nil {
		c.ended = make(chan struct{})
	}
	ended := c.ended
	c.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
		return 0
	case <-timer.C:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.n
	}
}

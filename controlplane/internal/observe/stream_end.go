package observe

import "sync"

// streamsEnd says that no stream goes on. The zero value says that they do.
type streamsEnd struct {
	mu   sync.Mutex
	over bool
	done chan struct{} // closed at the end; nil until somebody waits
}

// end ends the streams. Calls after the first one change nothing.
func (e *streamsEnd) end() {
	done := e.wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.over = true
		close(done)
	}
}

// ended reports whether end was called.
func (e *streamsEnd) ended() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over
}

// wait returns a channel that is closed by end.
func (e *streamsEnd) wait() chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
	}
	return e.done
}

package rpc

import (
	"slices"
	"sync/atomic"

	"github.com/farmountain/aureus-go/guard"
)

// argumentTable is a table of routes for calls: the message of a call becomes its arguments,
// unless the route lists other parts. Without a message there are no arguments.
type argumentTable struct {
	source  interface{ Routes() []guard.Route }
	message bool // the calls have one message
	now     atomic.Pointer[converted]
}

// converted is a slice of routes and its converted form.
type converted struct{ from, to []guard.Route }

// Routes returns the same slice as long as the source does.
func (t *argumentTable) Routes() []guard.Route {
	from := t.source.Routes()
	if c := t.now.Load(); c != nil && len(c.from) == len(from) && (len(from) == 0 || &c.from[0] == &from[0]) {
		return c.to
	}
	to := slices.Clone(from)
	for i := range to {
		switch {
		case !t.message:
			to[i].Arguments = withoutBody(to[i].Arguments)
		case to[i].Arguments == nil:
			to[i].Arguments = []string{"body"}
		}
	}
	t.now.Store(&converted{from, to})
	return to
}

func withoutBody(parts []string) []string {
	return slices.DeleteFunc(append([]string{}, parts...), func(part string) bool { return part == "body" })
}

// messageBody is the JSON form of the call's message. It is made at the first read, because
// many calls need none.
type messageBody struct {
	call  *Call
	limit int64
	text  []byte
	made  bool
	err   error
}

// Read implements [io.Reader].
func (b *messageBody) Read(p []byte) (int, error) {
	if !b.made {
		b.made = true
		b.make()
	}
	if len(b.text) == 0 {
		return 0, b.err
	}
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, nil
}

// Close implements [io.Closer].
func (b *messageBody) Close() error { return nil }

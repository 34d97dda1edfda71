package observe

import (
	"fmt"
	"strconv"
	"strings"
)

// position is how far a client has read the stream: the sequence of the last event
// in each of the two stores. Its text is the id of an event.
type position struct {
	telemetry, audit int64
	files            string // identifies the two store files; empty if the client does not send it
}

func (p position) String() string {
	if p.files == "" {
		return fmt.Sprintf("%d-%d", p.telemetry, p.audit)
	}
	return fmt.Sprintf("%d-%d-%s", p.telemetry, p.audit, p.files)
}

// parsePosition parses the text of a position. Versions before the identity of the
// files was added sent two parts instead of three; both are read.
func parsePosition(text string) (p position, ok bool) {
	parts := strings.Split(text, "-")
	if len(parts) != 2 && len(parts) != 3 {
		return p, false
	}
	var err1, err2 error
	p.telemetry, err1 = strconv.ParseInt(parts[0], 10, 64)
	p.audit, err2 = strconv.ParseInt(parts[1], 10, 64)
	if len(parts) == 3 {
		p.files = parts[2]
	}
	return p, err1 == nil && err2 == nil && p.telemetry >= 0 && p.audit >= 0
}

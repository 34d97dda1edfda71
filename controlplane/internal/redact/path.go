package redact

import (
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The limits of a list of locations. A list that exceeds them ends with the empty
// pointer, which means the whole approval.
const (
	maxLocations     = 1000
	maxLocationsSize = 64 << 10 // bytes of the pointers together
)

// location says where a value is in the approval. Its JSON pointer is built only when
// it is needed, so that long names that contain many values cost little.
type location struct {
	parent *location // nil at the top
	name   string
	size   int // the minimum length of the pointer
}

func (p *location) child(name string) *location {
	size := len(name) + 1
	if p != nil {
		size += p.size
	}
	return &location{parent: p, name: name, size: size}
}

func (p *location) item(index int) *location { return p.child(strconv.Itoa(index)) }

func (p *location) pointer() string {
	var names []string
	for ; p != nil; p = p.parent {
		names = append(names, p.name)
	}
	var text strings.Builder
	for _, name := range slices.Backward(names) {
		text.WriteByte('/')
		text.WriteString(strictjson.Token(name))
	}
	return Visible(text.String())
}

// locations is a list of pointers of limited length.
type locations struct {
	pointers []string
	size     int
	full     bool
}

func (l *locations) add(p *location) {
	switch {
	case l.full:
	case len(l.pointers) == maxLocations || l.size+p.size > maxLocationsSize:
		l.full = true
		l.pointers = append(l.pointers, "")
	default:
		pointer := p.pointer()
		if n := len(l.pointers); n > 0 && l.pointers[n-1] == pointer {
			return // another secret in the same text
		}
		l.size += len(pointer)
		l.pointers = append(l.pointers, pointer)
	}
}

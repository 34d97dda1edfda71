package redact

import (
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The bounds of a list of places. A list beyond them ends with the empty
// pointer, which stands for the whole approval.
const (
	maxPlaces     = 1000
	maxPlacesSize = 64 << 10 // bytes of the pointers together
)

// place is where a value stands. Its pointer is only made where it is told, so
// that long names above many values cost nothing.
type place struct {
	above *place
	name  string
	size  int // of the pointer, at least
}

func (p *place) in(name string) *place {
	size := len(name) + 1
	if p != nil {
		size += p.size
	}
	return &place{above: p, name: name, size: size}
}

func (p *place) at(index int) *place { return p.in(strconv.Itoa(index)) }

func (p *place) pointer() string {
	var names []string
	for ; p != nil; p = p.above {
		names = append(names, p.name)
	}
	var text strings.Builder
	for _, name := range slices.Backward(names) {
		text.WriteByte('/')
		text.WriteString(strictjson.Token(name))
	}
	return Visible(text.String())
}

// places is a bounded list of pointers.
type places struct {
	pointers []string
	size     int
	full     bool
}

func (l *places) add(p *place) {
	switch {
	case l.full:
	case len(l.pointers) == maxPlaces || l.size+p.size > maxPlacesSize:
		l.full = true
		l.pointers = append(l.pointers, "")
	default:
		pointer := p.pointer()
		if n := len(l.pointers); n > 0 && l.pointers[n-1] == pointer {
			return // a second secret in the same text
		}
		l.size += len(pointer)
		l.pointers = append(l.pointers, pointer)
	}
}

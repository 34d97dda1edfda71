package telemetry

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"iter"
)

// Bounds of one page of an answer.
const (
	DefaultLimit = 10_000   // where a query names none
	MaxLimit     = 100_000  // items
	MaxPageBytes = 64 << 20 // of JSON text; a page holds at least one item
)

// Paging selects a page of an answer.
type Paging struct {
	// Limit is how many items the page holds at most: 0 is the default of the
	// query, and more than MaxLimit is MaxLimit.
	Limit int
	// Cursor is where the page begins: Page.Next of the page before, or empty for
	// the beginning.
	Cursor string
}

// Page is a part of an answer, in order. What arrives after the page was asked
// for is not part of it.
type Page struct {
	// Next is the cursor of the page after this one, and empty on the last.
	Next string

	bodies func(ctx context.Context) iter.Seq2[string, error]
}

// NewPage is a page whose items bodies yields. It may be called repeatedly, and
// begins anew each time.
func NewPage(next string, bodies func(ctx context.Context) iter.Seq2[string, error]) *Page {
	return &Page{Next: next, bodies: bodies}
}

// Bodies yields the JSON text of each item of the page. An error is yielded
// once, as the last thing. Bodies may be ranged over again; it then begins anew.
func (p *Page) Bodies(ctx context.Context) iter.Seq2[string, error] { return p.bodies(ctx) }

// FormatCursor writes a position as text that a client hands back.
func FormatCursor(p Position) string {
	b := []byte{1} // the version of the form
	b = binary.AppendVarint(b, p.Sec)
	b = binary.AppendVarint(b, p.Nsec)
	b = binary.AppendVarint(b, p.Seq)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads what FormatCursor has written, or fails with ErrCursor.
func ParseCursor(text string) (p Position, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != 1 {
		return p, ErrCursor
	}
	b = b[1:]
	for _, field := range []*int64{&p.Sec, &p.Nsec, &p.Seq} {
		value, n := binary.Varint(b)
		if n <= 0 {
			return p, ErrCursor
		}
		*field, b = value, b[n:]
	}
	if len(b) > 0 || p.Nsec < 0 || p.Nsec >= 1e9 || p.Seq < 1 {
		return p, ErrCursor
	}
	return p, nil
}

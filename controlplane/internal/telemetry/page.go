package telemetry

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"iter"
)

// The limits of one page of a result.
const (
	DefaultLimit = 10_000   // items, if a query sets no limit
	MaxLimit     = 100_000  // items
	MaxPageBytes = 64 << 20 // bytes of JSON text; a page always holds at least one item
)

// Paging selects a page of a result.
type Paging struct {
	// Limit is how many items the page holds at most. 0 means the default of the
	// query. A larger value than MaxLimit means MaxLimit.
	Limit int
	// Cursor is where the page begins: Page.Next of the page before, or empty for
	// the first page.
	Cursor string
}

// Page is one page of a result. Items that arrive after the query are not part of it.
type Page struct {
	// Next is the cursor of the next page. It is empty on the last page.
	Next string

	bodies func(ctx context.Context) iter.Seq2[string, error]
}

// NewPage returns a page whose items are those that bodies yields. bodies may be
// called several times, and must yield all items each time.
func NewPage(next string, bodies func(ctx context.Context) iter.Seq2[string, error]) *Page {
	return &Page{Next: next, bodies: bodies}
}

// Bodies yields the JSON text of each item of the page, in order. If it fails, it
// yields the error and ends. Each call begins with the first item.
func (p *Page) Bodies(ctx context.Context) iter.Seq2[string, error] { return p.bodies(ctx) }

// FormatCursor encodes a position as a cursor for clients.
func FormatCursor(p Position) string {
	b := []byte{1} // the version of the encoding
	b = binary.AppendVarint(b, p.Sec)
	b = binary.AppendVarint(b, p.Nsec)
	b = binary.AppendVarint(b, p.Seq)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor decodes a cursor of FormatCursor, or fails with ErrCursor.
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

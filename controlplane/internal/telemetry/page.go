package telemetry

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
)

// Bounds of one page of an answer.
const (
	DefaultLimit = 10_000   // where a query names none
	MaxLimit     = 100_000  // items
	MaxPageBytes = 64 << 20 // of JSON text; a page holds at least one item
)

const (
	// portionRows and portionBytes bound what is read, and held in memory, at a
	// time.
	portionRows  = 256
	portionBytes = 1 << 20
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

	selection selection
	portion   []row // the first, already read
	ended     bool  // there is no other portion
}

// row is what a page gives out, and where it stands.
type row struct {
	position
	body string
}

// selection is a query that is made: which rows of a table, and between which
// positions.
type selection struct {
	store       *Store
	tenant      string
	from        string // table, index and conditions
	args        []any
	after, upTo position // upTo is part of it
	latest      int64    // the last arrival that counts
	cacheable   bool     // the text of from is one of a few
}

// page reads the first portion and, where that is not all, finds the end of the
// page, so that Next is known before the first row is given out.
func (q *selection) page(ctx context.Context, paging Paging, fallback int) (*Page, error) {
	if paging.Cursor != "" {
		cursor, err := parseCursor(paging.Cursor)
		if err != nil {
			return nil, err
		}
		if cursor.compare(q.after) > 0 {
			q.after = cursor
		}
	}
	limit := paging.Limit
	if limit <= 0 {
		limit = fallback
	}
	limit = min(limit, MaxLimit)
	rows, ended, err := q.portion(ctx, limit+1)
	if err != nil {
		return nil, err
	}
	p := &Page{selection: *q, portion: rows, ended: ended}
	switch {
	case len(rows) > limit:
		p.portion, p.ended = rows[:limit], true
		p.Next = formatCursor(rows[limit-1].position)
	case !ended:
		end, more, err := q.end(ctx, limit)
		if err != nil {
			return nil, err
		}
		p.selection.upTo = end
		if more {
			p.Next = formatCursor(end)
		}
	}
	return p, nil
}

// Bodies yields the JSON text of each item of the page. An error is yielded
// once, as the last thing. Bodies may be ranged over again; it then begins anew.
func (p *Page) Bodies(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		rows, ended, q := p.portion, p.ended, p.selection
		for {
			for _, row := range rows {
				if !yield(row.body, nil) {
					return
				}
			}
			if ended || len(rows) == 0 {
				return
			}
			q.after = rows[len(rows)-1].position
			var err error
			if rows, ended, err = q.portion(ctx, portionRows); err != nil {
				yield("", err)
				return
			}
		}
	}
}

// portion reads the next rows, no more than most and within the bounds of a
// portion, but at least one. ended says that there are no more.
func (q *selection) portion(ctx context.Context, most int) (portion []row, ended bool, err error) {
	most = min(most, portionRows)
	size := 0
	ended, err = walk(ctx, q, "body", most, func(at position, body string) bool {
		portion = append(portion, row{at, body})
		size += len(body)
		return size < portionBytes
	})
	return portion, ended && len(portion) < most, err
}

// end finds the last row of a page of at most limit rows and MaxPageBytes, and
// whether there is one after it.
func (q *selection) end(ctx context.Context, limit int) (end position, more bool, err error) {
	n, size := 0, int64(0)
	_, err = walk(ctx, q, "octet_length(body)", limit+1, func(at position, length int64) bool {
		size += length
		if n == limit || n > 0 && size > MaxPageBytes {
			more = true
			return false
		}
		end = at
		n++
		return true
	})
	return end, more, err
}

// formatCursor writes a position as text that a client hands back.
func formatCursor(p position) string {
	b := []byte{1} // the version of the form
	b = binary.AppendVarint(b, p.sec)
	b = binary.AppendVarint(b, p.nsec)
	b = binary.AppendVarint(b, p.seq)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(text string) (p position, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != 1 {
		return p, ErrCursor
	}
	b = b[1:]
	for _, field := range []*int64{&p.sec, &p.nsec, &p.seq} {
		value, n := binary.Varint(b)
		if n <= 0 {
			return p, ErrCursor
		}
		*field, b = value, b[n:]
	}
	if len(b) > 0 || p.nsec < 0 || p.nsec >= 1e9 || p.seq < 1 {
		return p, ErrCursor
	}
	return p, nil
}

// selectFrom selects rows; the first of args is the tenant.
func (s *Store) selectFrom(kind Kind, index, conditions string, args ...any) *selection {
	tenant, _ := args[0].(string)
	return &selection{
		store: s, tenant: tenant, args: args, latest: s.latest[kind].Load(), after: first, upTo: last, cacheable: true,
		from: fmt.Sprintf("%s INDEXED BY %s WHERE %s", kinds[kind].table, index, conditions),
	}
}

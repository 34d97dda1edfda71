package sqlite

import (
	"context"
	"fmt"
	"iter"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

const (
	// portionRows and portionBytes limit what is read at once and held in memory.
	portionRows  = 256
	portionBytes = 1 << 20
)

// page is a page whose first portion has been read.
type page struct {
	next      string
	selection selection // selects the rows of the whole page
	portion   []row     // the first portion
	ended     bool      // whether the first portion is the whole page
}

// row is a row of a page and its position.
type row struct {
	telemetry.Position
	body string
}

// selection describes the rows that a query selects: a condition, and a range of
// positions.
type selection struct {
	store       *Store
	tenant      string
	from        string // table, index and conditions
	args        []any
	after, upTo telemetry.Position // the range; it includes upTo, but not after
	latest      int64              // rows that arrived later are ignored
	cacheable   bool               // whether from is one of a few texts, so that a prepared statement can be kept
}

// page reads the first portion of a page. If there are more portions, it also finds
// the end of the page, because Next must be known before the first row is sent.
func (q *selection) page(ctx context.Context, paging telemetry.Paging, fallback int) (*telemetry.Page, error) {
	p, err := q.read(ctx, paging, fallback)
	if err != nil {
		return nil, err
	}
	return telemetry.NewPage(p.next, p.bodies), nil
}

func (q *selection) read(ctx context.Context, paging telemetry.Paging, fallback int) (*page, error) {
	if paging.Cursor != "" {
		cursor, err := telemetry.ParseCursor(paging.Cursor)
		if err != nil {
			return nil, err
		}
		if cursor.Compare(q.after) > 0 {
			q.after = cursor
		}
	}
	limit := paging.Limit
	if limit <= 0 {
		limit = fallback
	}
	limit = min(limit, telemetry.MaxLimit)
	rows, ended, err := q.portion(ctx, limit+1)
	if err != nil {
		return nil, err
	}
	p := &page{selection: *q, portion: rows, ended: ended}
	switch {
	case len(rows) > limit:
		p.portion, p.ended = rows[:limit], true
		p.next = telemetry.FormatCursor(rows[limit-1].Position)
	case !ended:
		end, more, err := q.end(ctx, limit)
		if err != nil {
			return nil, err
		}
		p.selection.upTo = end
		if more {
			p.next = telemetry.FormatCursor(end)
		}
	}
	return p, nil
}

func (p *page) bodies(ctx context.Context) iter.Seq2[string, error] {
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
			q.after = rows[len(rows)-1].Position
			var err error
			if rows, ended, err = q.portion(ctx, portionRows); err != nil {
				yield("", err)
				return
			}
		}
	}
}

// portion reads the next rows, at most limit and within the limits of a portion, but
// at least one. ended reports whether no rows are left.
func (q *selection) portion(ctx context.Context, limit int) (portion []row, ended bool, err error) {
	limit = min(limit, portionRows)
	size := 0
	ended, err = walk(ctx, q, "body", limit, func(at telemetry.Position, body string) bool {
		portion = append(portion, row{at, body})
		size += len(body)
		return size < portionBytes
	})
	return portion, ended && len(portion) < limit, err
}

// end finds the last row of a page of at most limit rows and MaxPageBytes, and
// whether there is one after it.
func (q *selection) end(ctx context.Context, limit int) (end telemetry.Position, more bool, err error) {
	n, size := 0, int64(0)
	_, err = walk(ctx, q, "octet_length(body)", limit+1, func(at telemetry.Position, length int64) bool {
		size += length
		if n == limit || n > 0 && size > telemetry.MaxPageBytes {
			more = true
			return false
		}
		end = at
		n++
		return true
	})
	return end, more, err
}

// selectFrom returns a selection of rows of the kind. The first of args is the
// tenant.
func (s *Store) selectFrom(kind telemetry.Kind, index, conditions string, args ...any) *selection {
	tenant, _ := args[0].(string)
	return &selection{
		store: s, tenant: tenant, args: args, latest: s.latest[kind].Load(), after: telemetry.First, upTo: telemetry.Last, cacheable: true,
		from: fmt.Sprintf("%s INDEXED BY %s WHERE %s", kind, index, conditions),
	}
}

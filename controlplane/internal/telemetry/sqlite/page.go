package sqlite

import (
	"context"
	"fmt"
	"iter"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

const (
	// portionRows and portionBytes bound what is read, and held in memory, at a
	// time.
	portionRows  = 256
	portionBytes = 1 << 20
)

// page is what is read of a page, and where the rest is.
type page struct {
	next      string
	selection selection
	portion   []row // the first, already read
	ended     bool  // there is no other portion
}

// row is what a page gives out, and where it stands.
type row struct {
	telemetry.Position
	body string
}

// selection is a query that is made: which rows of a table, and between which
// positions.
type selection struct {
	store       *Store
	tenant      string
	from        string // table, index and conditions
	args        []any
	after, upTo telemetry.Position // upTo is part of it
	latest      int64              // the last arrival that counts
	cacheable   bool               // the text of from is one of a few
}

// page reads the first portion and, where that is not all, finds the end of the
// page, so that Next is known before the first row is given out.
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

// portion reads the next rows, no more than most and within the bounds of a
// portion, but at least one. ended says that there are no more.
func (q *selection) portion(ctx context.Context, most int) (portion []row, ended bool, err error) {
	most = min(most, portionRows)
	size := 0
	ended, err = walk(ctx, q, "body", most, func(at telemetry.Position, body string) bool {
		portion = append(portion, row{at, body})
		size += len(body)
		return size < portionBytes
	})
	return portion, ended && len(portion) < most, err
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

// selectFrom selects rows; the first of args is the tenant.
func (s *Store) selectFrom(kind telemetry.Kind, index, conditions string, args ...any) *selection {
	tenant, _ := args[0].(string)
	return &selection{
		store: s, tenant: tenant, args: args, latest: s.latest[kind].Load(), after: telemetry.First, upTo: telemetry.Last, cacheable: true,
		from: fmt.Sprintf("%s INDEXED BY %s WHERE %s", kind, index, conditions),
	}
}

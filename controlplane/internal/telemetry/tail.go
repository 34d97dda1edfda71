package telemetry

import "context"

// Arrived is an event and its place in the order of arrival.
type Arrived struct {
	Seq            int64
	Type, Workflow string
	Body           string
}

// tailSteps is how many places one call of Tail goes through at most: what is
// passed over is bounded too.
const tailSteps = 10_000

// Latest is the place of the latest event that is committed, of any tenant, and
// 0 without any.
func (s *Store) Latest() int64 { return s.latest[Events].Load() }

// Identity is a text that this file alone has: places in another file are of no
// use here.
func (s *Store) Identity() string { return s.identity }

// Tail is the events of the tenant that arrived behind the place after, in order
// of arrival, at most a portion. An empty type or workflow selects all. Every
// event up to the place reached has been looked at: the next call begins there.
// Where reached is [Store.Latest], there is nothing behind it.
func (s *Store) Tail(ctx context.Context, tenant, eventType, workflow string, after int64) (list []Arrived, reached int64, err error) {
	reached = min(s.Latest(), after+tailSteps)
	if reached <= after {
		return nil, after, nil
	}
	rows, err := s.query(ctx, `SELECT seq, type, workflow_id, body FROM events INDEXED BY events_by_arrival
		WHERE tenant = ? AND seq > ? AND seq <= ? AND (? = '' OR type = ?) AND (? = '' OR workflow_id = ?) ORDER BY seq LIMIT ?`,
		true, tenant, after, reached, eventType, eventType, workflow, workflow, portionRows)
	if err != nil {
		return nil, after, readError(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	size := 0
	for rows.Next() {
		var a Arrived
		if err := rows.Scan(&a.Seq, &a.Type, &a.Workflow, &a.Body); err != nil {
			return nil, after, readError(ctx, err)
		}
		size += len(a.Body)
		list = append(list, a)
		if len(list) == portionRows || size >= portionBytes {
			return list, a.Seq, nil
		}
	}
	if err := rows.Err(); err != nil {
		return nil, after, readError(ctx, err)
	}
	return list, reached, nil
}

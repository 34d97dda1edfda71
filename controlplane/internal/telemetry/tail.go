package telemetry

import "context"

// Arrived is an event and its place in the order of arrival.
type Arrived struct {
	Seq  int64
	Body string
}

// Last is the place of the latest event of any tenant, and 0 without events.
func (s *Store) Last(ctx context.Context) (seq int64, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM events").Scan(&seq)
	return seq, storeError("read events", err)
}

// Tail is the events of the tenant that arrived behind the place after, in order
// of arrival, at most a portion. An empty type or workflow selects all.
func (s *Store) Tail(ctx context.Context, tenant, eventType, workflow string, after int64) (list []Arrived, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT seq, body FROM events WHERE seq > ? AND tenant = ?
		AND (? = '' OR type = ?) AND (? = '' OR workflow_id = ?) ORDER BY seq LIMIT ?`,
		after, tenant, eventType, eventType, workflow, workflow, portionRows)
	if err != nil {
		return nil, storeError("read events", err)
	}
	defer func() { _ = rows.Close() }()
	size := 0
	for size < portionBytes && rows.Next() {
		var a Arrived
		if err := rows.Scan(&a.Seq, &a.Body); err != nil {
			return nil, storeError("read events", err)
		}
		size += len(a.Body)
		list = append(list, a)
	}
	return list, storeError("read events", rows.Err())
}

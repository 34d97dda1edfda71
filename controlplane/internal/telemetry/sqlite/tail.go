package sqlite

import (
	"context"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Latest implements [telemetry.Store].
func (s *Store) Latest() int64 { return s.latest[telemetry.Events].Load() }

// Identity implements [telemetry.Store].
func (s *Store) Identity() string { return s.identity }

// Tail implements [telemetry.Store].
func (s *Store) Tail(ctx context.Context, tenant, eventType, workflow string, after int64) (list []telemetry.Arrived, reached int64, err error) {
	reached = min(s.Latest(), after+telemetry.TailSteps)
	if reached <= after {
		return nil, after, nil
	}
	rows, err := s.query(ctx, `SELECT seq, type, workflow_id, body FROM events INDEXED BY events_by_arrival
		WHERE tenant = ? AND seq > ? AND seq <= ? AND (? = '' OR type = ?) AND (? = '' OR workflow_id = ?) ORDER BY seq LIMIT ?`,
		true, tenant, after, reached, eventType, eventType, workflow, workflow, portionRows)
	if err != nil {
		return nil, after, readError(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err returns the error
	size := 0
	for rows.Next() {
		var a telemetry.Arrived
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

package main

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// If the disk becomes full in the middle of a batch, nothing of the batch is
// stored. When there is room again, all of it is.
func TestBatch_DiskFullInside_StoresNothing(t *testing.T) {
	const items, room = 2000, 1 << 20 // bytes; enough for some hundreds of items
	const timestamp = "2026-01-01T00:00:00Z"
	long := strings.Repeat("n", 900)
	decisions := make([]aureus.DecisionRecord, items)
	outcomes, spans := make([]aureus.Outcome, items), make([]aureus.Span, items)
	metrics, events := make([]aureus.Metric, items), make([]aureus.TelemetryEvent, items)
	for i := range items {
		id := aureus.NewDecisionID(time.Now())
		decisions[i] = aureus.DecisionRecord{DecisionID: id, Principal: "batched", Action: "act", Effect: "allow", ReasonCode: aureus.ReasonLowRisk}
		outcomes[i] = aureus.Outcome{DecisionID: id, Status: "batched", ErrorClass: long[:200]}
		spans[i] = aureus.Span{ID: strconv.Itoa(i), TraceID: "batched", Name: long, StartTime: timestamp}
		metrics[i] = aureus.Metric{Name: "batched", Value: 1, Timestamp: timestamp, Tags: map[string]string{"long": long}}
		events[i] = aureus.TelemetryEvent{Type: aureus.EventStepEnd, Timestamp: timestamp, WorkflowID: "batched", Data: map[string]any{"long": long}}
	}
	for _, row := range []struct {
		path  string
		batch any
		list  string // the path that lists its items
	}{
		{"audit/records", decisions, "audit?limit=5000"},
		{"audit/outcomes", outcomes, "audit?limit=5000"},
		{"observability/spans", spans, "observability/traces/batched"},
		{"observability/metrics", metrics, "observability/metrics"},
		{"observability/events", events, "observability/events"},
	} {
		t.Run(row.path, func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "aureus.db")
			disk := limitFileSize(t, db, "grow by "+strconv.Itoa(room))
			storedItems := func() int {
				answer := disk.server.ask(t, "GET", "/api/v1/"+row.list, diskOperator, nil)
				require.Equal(t, http.StatusOK, answer.status, answer.text)
				return strings.Count(answer.text, `"batched"`)
			}
			disk.fail(t)
			refused := disk.server.ask(t, "POST", "/api/v1/"+row.path+"/batch", "", row.batch)
			unavailable(t, row.path, refused)
			require.Zero(t, storedItems(), "a part of the batch was stored")

			disk.repair(t)
			accepted := disk.server.ask(t, "POST", "/api/v1/"+row.path+"/batch", "", row.batch)
			require.Equal(t, http.StatusOK, accepted.status, accepted.text)
			require.Contains(t, accepted.text, `"accepted":`+strconv.Itoa(items)+",")
			require.Equal(t, items, storedItems())
			disk.server.stop(t, syscall.SIGTERM)
		})
	}
}

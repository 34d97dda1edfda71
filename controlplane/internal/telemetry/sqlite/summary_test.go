package sqlite

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

type vector struct {
	Name, Kind string
	Input      struct {
		Events      []json.RawMessage
		TimeRangeMS int64 `json:"time_range_ms"`
		Now         string
	}
	Expected json.RawMessage
}

func vectors(t *testing.T, kind string) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/observability.json")
	require.NoError(t, err)
	var file struct{ Vectors []vector }
	require.NoError(t, json.Unmarshal(text, &file))
	var found []vector
	for _, v := range file.Vectors {
		if v.Kind == kind {
			found = append(found, v)
		}
	}
	require.NotEmpty(t, found)
	return found
}

// The cases are the published vectors of the kind metrics_summary.
func TestSummary_PublishedVectors_GiveTheirResults(t *testing.T) {
	for _, v := range vectors(t, "metrics_summary") {
		t.Run(v.Name, func(t *testing.T) {
			s := openStore(t, telemetry.Options{})
			for _, event := range v.Input.Events {
				add(t, s, telemetry.Events, string(event))
			}
			var within telemetry.Range
			if v.Input.TimeRangeMS > 0 {
				end := at(t, v.Input.Now)
				start := end.Add(-time.Duration(v.Input.TimeRangeMS) * time.Millisecond)
				within = telemetry.Range{Start: &start, End: end}
			}
			var want aureus.Summary
			require.NoError(t, json.Unmarshal(v.Expected, &want))
			got, err := s.Summary(t.Context(), tenant, within)
			require.NoError(t, err)
			requireSummary(t, want, got)
		})
	}
}

// event returns an event whose time is ms milliseconds, or that has no time if ms
// is negative.
func event(kind, workflow, task string, ms int, data string) string {
	timestamp := "t"
	if ms >= 0 {
		timestamp = time.UnixMilli(int64(ms)).UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf(`{"type":%q,"workflow_id":%q,"task_id":%q,"task_type":"x","timestamp":%q,"data":%s}`, kind, workflow, task, timestamp, data)
}

// Events of each shape that the original implementation records are returned
// unchanged.
func TestReport_PublishedEventShapes_ComeBackUnchanged(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	var want []string
	for _, v := range vectors(t, "event_shape") {
		var shape map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(v.Expected, &shape))
		delete(shape, "data_keys")
		shape["timestamp"] = json.RawMessage(fmt.Sprintf(`"2026-01-01T00:00:00.%03dZ"`, len(want)))
		text, err := json.Marshal(shape)
		require.NoError(t, err)
		add(t, s, telemetry.Events, string(text))
		want = append(want, string(text))
	}
	require.Equal(t, want, allOf(t, s, tenant, telemetry.Events))
	require.Contains(t, strings.Join(want, ""), "llm_artifact_generated")
}

func requireSummary(t *testing.T, want, got aureus.Summary) {
	t.Helper()
	require.Equal(t, want.TotalEvents, got.TotalEvents)
	require.InDeltaMapValues(t, want.TaskSuccessRateByType, got.TaskSuccessRateByType, 1e-12)
	require.InDelta(t, want.MTTRMS, got.MTTRMS, 1e-9)
	require.InDelta(t, want.HumanEscalationRate, got.HumanEscalationRate, 1e-12)
	require.InDelta(t, want.CostPerSuccessMS, got.CostPerSuccessMS, 1e-9)
}

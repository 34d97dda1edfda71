package telemetrytest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

func summary(t *testing.T, open Open) {
	const good, bad = `{"success":true}`, `{"success":false}`
	end := func(workflow, task string, ms int, data string) string {
		return event("step_end", workflow, task, ms, data)
	}
	check := func(data string) string { return event("policy_check", "w", "t", 0, data) }
	rate := func(r float64) map[string]float64 { return map[string]float64{"x": r} }
	for name, test := range map[string]struct {
		events []string
		within telemetry.Range
		want   aureus.Summary
	}{
		"no events": {want: aureus.Summary{}},
		"recovery counts from the first failure": {
			events: []string{end("w", "t", 0, bad), end("w", "t", 400, bad), end("w", "t", 1000, good)},
			want:   aureus.Summary{MTTRMS: 1000, TaskSuccessRateByType: rate(1.0 / 3), TotalEvents: 3},
		},
		"a task is identified by the pair of workflow and task id": {
			events: []string{end("a", "b-c", 0, bad), end("a-b", "c", 500, good), end("x", "y", 0, bad), end("x", "z", 500, good)},
			want:   aureus.Summary{TaskSuccessRateByType: rate(0.5), TotalEvents: 4},
		},
		"two recoveries of one task, and one of another": {
			events: []string{end("w", "t", 0, bad), end("w", "t", 100, good), end("w", "t", 200, good), end("w", "t", 300, bad), end("w", "t", 600, good), end("w", "u", 0, bad), end("w", "u", 800, good)},
			want:   aureus.Summary{MTTRMS: 400, TaskSuccessRateByType: rate(4.0 / 7), TotalEvents: 7},
		},
		"a failure without a later success is not a recovery": {
			events: []string{end("w", "t", 0, good), end("w", "t", 100, bad)},
			want:   aureus.Summary{TaskSuccessRateByType: rate(0.5), TotalEvents: 2},
		},
		"steps without a workflow or a task have no recovery": {
			events: []string{end("", "t", 0, bad), end("", "t", 100, good), end("w", "", 0, bad), end("w", "", 100, good)},
			want:   aureus.Summary{TaskSuccessRateByType: rate(0.5), TotalEvents: 4},
		},
		"steps without a time count, but not for recovery": {
			events: []string{end("w", "t", -1, bad), end("w", "t", 100, good), end("w", "t", 200, bad), end("w", "t", -1, good)},
			want:   aureus.Summary{TaskSuccessRateByType: rate(0.5), TotalEvents: 4},
		},
		"events without a time are in no range": {
			events: []string{end("w", "t", -1, good), end("w", "t", 100, good), check(`{}`), event("custom", "", "", -1, `{}`)},
			within: telemetry.Range{End: at(t, "2026-01-01T00:00:00Z")},
			want:   aureus.Summary{TaskSuccessRateByType: rate(1), TotalEvents: 2},
		},
		"both ends of a range are inclusive": {
			events: []string{end("w", "t", 999, good), end("w", "t", 1000, bad), end("w", "t", 2000, good), end("w", "t", 2001, good)},
			within: telemetry.Range{Start: at(t, "1970-01-01T00:00:01Z"), End: at(t, "1970-01-01T00:00:02Z")},
			want:   aureus.Summary{MTTRMS: 1000, TaskSuccessRateByType: rate(0.5), TotalEvents: 2},
		},
		"cost: only of successes; a duration that is not a number is 0": {
			events: []string{end("w", "t", 0, `{"success":1,"duration":300}`), end("w", "t", 0, `{"success":"yes","duration":"9"}`), end("w", "t", 0, `{"success":true,"duration":null}`), end("w", "t", 0, `{"success":0,"duration":7}`)},
			want:   aureus.Summary{CostPerSuccessMS: 100, TaskSuccessRateByType: rate(0.75), TotalEvents: 4},
		},
		"a sum of costs that overflows stays finite": {
			events: []string{end("w", "t", 0, `{"success":1,"duration":1.7e308}`), end("w", "t", 0, `{"success":1,"duration":1.7e308}`)},
			want:   aureus.Summary{CostPerSuccessMS: 1.7976931348623157e308, TaskSuccessRateByType: rate(1), TotalEvents: 2},
		},
		"escalation: both spellings, JavaScript's truthiness, camelCase first": {
			events: []string{
				check(`{"requiresHumanApproval":true}`), check(`{"requires_human_approval":true}`), check(`{"requiresHumanApproval":1}`),
				check(`{"requiresHumanApproval":false,"requires_human_approval":true}`), check(`{"requiresHumanApproval":""}`),
				check(`{}`), check(`{"allowed":true}`), event("custom", "w", "t", 0, `{"requiresHumanApproval":true}`),
			},
			want: aureus.Summary{HumanEscalationRate: 3.0 / 7, TotalEvents: 8},
		},
		"a step without a type has the type unknown": {
			events: []string{`{"type":"step_end","timestamp":"2026-01-01","data":{"success":true}}`, `{"type":"step_end","timestamp":"2026-01-01","task_type":null,"data":{}}`, `{"type":"step_end","timestamp":"2026-01-01","task_type":"","data":{}}`},
			want:   aureus.Summary{TaskSuccessRateByType: map[string]float64{"unknown": 1.0 / 3}, TotalEvents: 3},
		},
		"only step_end events count as successes": {
			events: []string{event("step_start", "w", "t", 0, good), event("tool_call", "w", "t", 0, `{"success":true,"duration":5}`)},
			want:   aureus.Summary{TotalEvents: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, telemetry.Options{})
			if len(test.events) > 0 {
				add(t, s, telemetry.Events, test.events...)
			}
			got, err := s.Summary(t.Context(), tenant, test.within)
			require.NoError(t, err)
			require.NotNil(t, got.TaskSuccessRateByType, "an object, not null")
			if test.want.TaskSuccessRateByType == nil {
				test.want.TaskSuccessRateByType = map[string]float64{}
			}
			requireSummary(t, test.want, got)
		})
	}
}

func aSummaryOfTooManyTypesIsRefused(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	var items []telemetry.Item
	for i := range telemetry.MaxTaskTypes {
		items = append(items, read(t, telemetry.Events, fmt.Sprintf(`{"type":"step_end","timestamp":"2026-01-01","task_type":"%d","data":{}}`, i))...)
	}
	require.NoError(t, s.Append(t.Context(), tenant, items))
	summary, err := s.Summary(t.Context(), tenant, telemetry.Range{})
	require.NoError(t, err)
	require.Len(t, summary.TaskSuccessRateByType, telemetry.MaxTaskTypes)
	add(t, s, telemetry.Events, `{"type":"step_end","timestamp":"2026-01-01","task_type":"more","data":{}}`)
	_, err = s.Summary(t.Context(), tenant, telemetry.Range{})
	require.ErrorIs(t, err, telemetry.ErrTooManyTypes)
}

func requireSummary(t *testing.T, want, got aureus.Summary) {
	t.Helper()
	require.Equal(t, want.TotalEvents, got.TotalEvents)
	require.InDeltaMapValues(t, want.TaskSuccessRateByType, got.TaskSuccessRateByType, 1e-12)
	require.InDelta(t, want.MTTRMS, got.MTTRMS, 1e-9)
	require.InDelta(t, want.HumanEscalationRate, got.HumanEscalationRate, 1e-12)
	require.InDelta(t, want.CostPerSuccessMS, got.CostPerSuccessMS, 1e-9)
}

// event returns an event whose time is ms milliseconds, or that has no time if ms is
// negative.
func event(kind, workflow, task string, ms int, data string) string {
	timestamp := "t"
	if ms >= 0 {
		timestamp = time.UnixMilli(int64(ms)).UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf(`{"type":%q,"workflow_id":%q,"task_id":%q,"task_type":"x","timestamp":%q,"data":%s}`, kind, workflow, task, timestamp, data)
}

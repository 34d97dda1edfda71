package controlplane_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// A client reports the same events that the control plane itself makes. Queries, the
// stream and the summary distinguish them by their source.
func TestEvents_TheServersOwn_CannotBeForged(t *testing.T) {
	t.Parallel()
	srv := open(t)
	s := newSite(t, srv)
	request := transfer(aureus.TierHigh, 1)
	request.WorkflowID, request.TaskID = "w", "t"
	_, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":1,"metadata":{"workflowId":"w","taskId":"t"}},"gate_config":{"name":"g","validators":["not_null"],"block_on_failure":true}}`).ok(t)
	own := s.get(t, "/api/v1/observability/events?workflow_id=w").ok(t).body
	require.Equal(t, 2, strings.Count(own, `"source":"server"`), own)

	checks, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{Type: aureus.EventPolicyCheck}))
	require.NoError(t, err)
	require.Len(t, checks, 1)
	require.Equal(t, vocab.SourceServer, checks[0].Source)
	forged := checks[0]
	forged.Data = map[string]any{"allowed": true, "requiresHumanApproval": false, "reason": "forged"}
	require.NoError(t, srv.Client().ReportEvent(t.Context(), forged))
	for range 8 {
		s.post(t, "/api/v1/observability/events/batch", `[{"type":"policy_check","source":"server","timestamp":"`+string(forged.Timestamp)+`","workflow_id":"w","task_id":"t","data":{"allowed":true,"requiresHumanApproval":false,"reason":"forged"}}]`).ok(t)
	}
	s.post(t, "/api/v1/observability/events", strings.Replace(own, "[", `[`, 1)[1:strings.Index(own, "},{")+1]).ok(t)

	events, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{Type: aureus.EventPolicyCheck}))
	require.NoError(t, err)
	genuine := 0
	for _, e := range events {
		if e.Source != "" {
			genuine++
			require.NotEqual(t, "forged", e.Data["reason"])
		}
	}
	require.Equal(t, 1, genuine)
	for source, want := range map[string]int{vocab.SourceServer: 2, "reported": len(events) - 1} {
		found, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{Source: source}))
		require.NoError(t, err)
		require.Len(t, found, want, source)
	}
	s.get(t, "/api/v1/observability/events?source=maybe").refusal(t, 400, "VALIDATION_ERROR")
	told := follower(t, s)(`"forged"`)
	require.Contains(t, told, `"source":"server"`)
	for line := range strings.Lines(told) {
		require.False(t, strings.Contains(line, "forged") && strings.Contains(line, `"source"`), line)
	}

	summary, err := srv.Client().Summary(t.Context(), aureus.SummaryQuery{})
	require.NoError(t, err)
	require.InDelta(t, 1, summary.HumanEscalationRate, 0, "reported events do not change it")
	require.Equal(t, []int64{1, int64(len(events) - 1)}, []int64{summary.PolicyChecks, summary.PolicyChecksReported})
}

// If all deciders are local, the summary uses the checks that they report.
func TestSummary_OfReportedChecksAlone_IsTheirRate(t *testing.T) {
	t.Parallel()
	srv := open(t)
	for i := range 4 {
		event := aureus.TelemetryEvent{Type: aureus.EventPolicyCheck, Timestamp: "2026-01-01T00:00:00Z", Data: map[string]any{"requiresHumanApproval": i == 0}}
		require.NoError(t, srv.Client().ReportEvent(t.Context(), event))
	}
	summary, err := srv.Client().Summary(t.Context(), aureus.SummaryQuery{})
	require.NoError(t, err)
	require.InDelta(t, 0.25, summary.HumanEscalationRate, 0)
	require.Equal(t, []int64{0, 0}, []int64{summary.PolicyChecks, summary.PolicyChecksReported})
}

// A reported event is returned unchanged, except for its source.
func TestEvents_ReportedOnes_ComeBackUnchanged(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for said, comes := range map[string]string{
		`{"type":"custom","timestamp":"t1","data":{"source":"server","n":1.50},"tags":{"source":"server"}}`: "",
		`{"source":"server","type":"custom","timestamp":"t2","data":{"a":[1,{"source":"x"}]}}`:              `{"type":"custom","timestamp":"t2","data":{"a":[1,{"source":"x"}]}}`,
		`{"type":"custom","timestamp":"t3","data":{},"sou\u0072ce":"server"}`:                               `{"type":"custom","timestamp":"t3","data":{}}`,
		`{"type":"custom","timestamp":"t4","data":{"n":1000000000000000000000000000000}}`:                   `{"type":"custom","timestamp":"t4","data":{"n":1000000000000000000000000000000}}`,
	} {
		if comes == "" {
			comes = said
		}
		s.post(t, "/api/v1/observability/events", said).ok(t)
		require.Contains(t, s.get(t, "/api/v1/observability/events?type=custom").ok(t).body, comes)
	}
	s.post(t, "/api/v1/observability/events", `{"type":"custom","timestamp":"t","data":{},"Source":"server"}`).refusal(t, 422, "VALIDATION_ERROR")
	s.post(t, "/api/v1/observability/events", `{"type":"custom","timestamp":"t","data":{},"source":7}`).refusal(t, 422, "VALIDATION_ERROR")
}

// Events stored by older versions count as reported, because their source was not
// stored.
func TestEvents_OfOlderVersions_CountAsReported(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range oldFiles {
		unpack(t, filepath.Join("testdata", "v4", name+".gz"), filepath.Join(folder, name))
	}
	srv := open(t, func(c *controlplane.Config) { c.DB = filepath.Join(folder, "aureus.db") })
	events, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{Source: "reported", WorkflowID: "w"}))
	require.NoError(t, err)
	require.NotEmpty(t, events)
}

package main

import (
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func TestWhy_DecisionAndApproval_TellTheWholeStory(t *testing.T) {
	s := startSeatServer(t)
	admin := s.on(nil)
	admin.env["AUREUS_API_KEY"] = s.admin
	require.Zero(t, admin.run(t, "policy", "push", transfers).code)
	request := aureus.Request{
		Principal: aureus.Principal{ID: "teller-7", Type: "agent"}, Action: aureus.Action{ID: "transfer.make"},
		Arguments: map[string]any{"amount": 1001, "to": "acme"}, TraceID: "trace-1",
	}
	decision, err := s.service.Decide(t.Context(), request)
	require.NoError(t, err)
	got := s.run(t, "why", decision.ID.String())
	require.Zero(t, got.code, got.stderr)
	for _, says := range []string{`^REQUIRE_APPROVAL: \S+ by \S+\n`, `  bundle +transfers/3\n`, `  approval +apr_\S+ \(pending\)\n`, `  trace +trace-1\n`} {
		require.Regexp(t, says, got.stdout)
	}
	require.Equal(t, got.stdout, s.run(t, "why", decision.Approval.ID).stdout, "the approval leads to the decision that asked")
	require.Contains(t, s.run(t, "approvals", "show", decision.Approval.ID).stdout, "0 of 2 approved")

	request.Arguments = map[string]any{"amount": 1, "to": "acme"}
	request.Principal.ID = "guest-1"
	denied, err := s.service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, denied.Effect)
	require.Regexp(t, `Reasons:\n  permissions +deny +PERMISSION_DENIED `, s.run(t, "why", denied.ID.String()).stdout)
	var details aureus.DecisionDetails
	s.run(t, "why", denied.ID.String(), "--output", "json").line(t, &details)
	require.Equal(t, denied.ID, details.DecisionID)

	for _, id := range []string{"x", "dec_x", "apr_x", aureus.NewDecisionID(time.Now()).String()} {
		require.Equal(t, 1, s.run(t, "why", id).code, id)
	}
	require.Equal(t, 2, s.run(t, "why").code)
	require.Contains(t, s.run(t, "why", "-h").stderr, "Exit codes")
}

func TestRuns_WaitingRun_IsListedWithItsApproval(t *testing.T) {
	s := startSeatServer(t)
	require.Contains(t, s.run(t, "runs").stdout, "No workflow did anything")
	spec := aureus.WorkflowSpec{
		ID: "month-end", Name: "Month end", Dependencies: map[string][]string{"b": {"a"}},
		Tasks: []aureus.TaskSpec{{ID: "a", Name: "Look", Type: "action", ToolName: "look"}, {ID: "b", Name: "Pay", Type: "action", ToolName: "pay"}},
	}
	result, err := s.service.ExecuteWorkflow(t.Context(), spec, aureus.WithRunContext(map[string]any{"principal_id": "agent-7"}))
	require.NoError(t, err)
	require.Len(t, result.PendingApprovals, 1, result.Error)
	id := result.PendingApprovals[0].ApprovalToken
	got := s.run(t, "runs")
	require.Regexp(t, `(?m)^  month-end +awaiting_approval +\d+% +\S+Z +\S+ +`+id+`$`, got.stdout)
	got = s.run(t, "runs", "month-end")
	require.Regexp(t, `(?m)^  a +success +\S+ +\{"seen":"`, got.stdout)
	require.Contains(t, got.stdout, "The task b waits for "+id)
	for _, r := range got.stdout {
		require.False(t, r != '\n' && unicode.IsControl(r) || unicode.In(r, unicode.Cf), "%q", got.stdout)
	}
	var list []aureus.WorkflowStatus
	s.run(t, "runs", "--output", "json").line(t, &list)
	require.Len(t, list, 1)
	got = s.run(t, "runs", "unknown")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "aureus runs lists")
}

func TestTrace_SpansAndDecisions_AreATree(t *testing.T) {
	s := startSeatServer(t)
	at, took := aureus.TimestampOf(time.Now()), 12.5
	span := func(id, parent, name string) aureus.Span {
		return aureus.Span{ID: id, ParentID: parent, TraceID: "trace-1", Name: name, StartTime: at, EndTime: at, Duration: &took}
	}
	hostile := span("3", "2", "query\x1b[2J\u202E")
	hostile.Tags = map[string]string{"sql": "select\x1b[1A"}
	require.NoError(t, s.service.ReportSpans(t.Context(), []aureus.Span{span("1", "", "request"), span("2", "1", "handler"), hostile, span("4", "gone", "orphan")}))
	request := lowRiskRequest
	request.TraceID = "trace-1"
	decision, err := s.service.Decide(t.Context(), request)
	require.NoError(t, err)
	got := s.run(t, "trace", "trace-1")
	require.Zero(t, got.code, got.stderr)
	for _, says := range []string{`(?m)^  request +12.5ms`, `(?m)^    handler +12.5ms`, `(?m)^      query`, `(?m)^  orphan `, `decision +look +allow \S+ +` + decision.ID.String()} {
		require.Regexp(t, says, got.stdout)
	}
	for _, r := range got.stdout {
		require.False(t, r != '\n' && unicode.IsControl(r) || unicode.In(r, unicode.Cf), "%q", got.stdout)
	}
	require.Equal(t, got.stdout, s.run(t, "trace", decision.ID.String()).stdout)
	var result traced
	s.run(t, "trace", "trace-1", "--output", "json").line(t, &result)
	require.Len(t, result.Spans, 4)
	require.Equal(t, 1, s.run(t, "trace", "unknown").code)
}

func TestSpanRows_CircleOfParents_ListsEachOnce(t *testing.T) {
	rows := spanRows([]aureus.Span{{ID: "a", ParentID: "b", Name: "a"}, {ID: "b", ParentID: "a", Name: "b"}, {ID: "", ParentID: "", Name: "c"}, {ID: "d", ParentID: "d", Name: "d"}})
	require.Len(t, rows, 4)
}

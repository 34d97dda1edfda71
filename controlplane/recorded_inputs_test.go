package controlplane_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard/policy"
)

func recordingInputs(names ...string) func(*controlplane.Config) {
	return func(c *controlplane.Config) { c.RecordInputs = names }
}

// exportedDecisions returns the entries of decisions of an export.
func exportedDecisions(t *testing.T, srv *controlplane.Server, query string) (entries []aureus.AuditRecord, text string) {
	t.Helper()
	text = raw{method: "GET", path: "/api/v1/audit/export" + query, key: newKey(t, srv, controlplane.RoleOperator, "olga")}.do(t, srv).ok(t).body
	for line := range strings.Lines(text) {
		var e aureus.AuditRecord
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		if e.Kind == "decision" {
			entries = append(entries, e)
		}
	}
	return entries, text
}

func TestRecordInputs_EvaluatedDecision_KeepsTheAllowListUntilItIsPurged(t *testing.T) {
	t.Parallel()
	clock, file := newClock(), filepath.Join(t.TempDir(), "aureus.db")
	srv := open(t, at(clock), recordingInputs("arguments.amount"), func(c *controlplane.Config) { c.DB, c.InputRetention = file, 2*time.Hour })
	put(t, srv, ledgerBundle(1))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	decision, err := service.Decide(t.Context(), ledgerPayment("acme", 5))
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
	require.Nil(t, decision.Inputs, "the response does not repeat them")
	want := []aureus.DecisionInput{{Name: "arguments.amount", Status: "recorded", Value: json.Number("5")}, {Name: "arguments.to", Status: "redacted"}}
	details, err := service.Decision(t.Context(), decision.ID)
	require.NoError(t, err)
	require.Equal(t, want, details.Inputs)

	entries, text := exportedDecisions(t, srv, "")
	require.NotContains(t, text, `"inputs"`)
	require.Len(t, entries[0].Details["inputs_hash"], 64)
	entries, text = exportedDecisions(t, srv, "?inputs=true")
	require.Equal(t, "arguments.to", entries[0].Inputs[1].Name)
	require.EqualValues(t, 5, entries[0].Inputs[0].Value)
	require.NotContains(t, text, "acme", "what the list does not name is nowhere")
	raw{method: "GET", path: "/api/v1/audit/export?inputs=yes", key: newKey(t, srv, controlplane.RoleOperator, "olga")}.do(t, srv).refusal(t, 400, "VALIDATION_ERROR")
	for _, e := range collectAudit(t, srv.Operator("olga")) {
		require.Nil(t, e.Inputs, "the list of entries has none")
	}

	valid := func() bool {
		v, err := srv.Operator("olga").VerifyAudit(t.Context())
		require.NoError(t, err)
		return v.Valid
	}
	require.True(t, valid())
	clock.Advance(3 * time.Hour)
	later, err := service.Decide(t.Context(), ledgerPayment("acme", 6))
	require.NoError(t, err)
	controlplane.Prune(t.Context(), srv)
	kept := func(id aureus.DecisionID) bool {
		details, err := service.Decision(t.Context(), id)
		require.NoError(t, err)
		return len(details.Inputs) > 0
	}
	require.Equal(t, []bool{false, true}, []bool{kept(decision.ID), kept(later.ID)})
	require.True(t, valid())
	n, err := controlplane.PurgeInputs(t.Context(), file, "default", clock.Now().Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.False(t, kept(later.ID))
	require.True(t, valid())
	_, err = controlplane.PurgeInputs(t.Context(), file, "", clock.Now())
	require.Error(t, err)
}

func TestRecordInputs_ReportedDecision_HasWhatTheServerAllows(t *testing.T) {
	t.Parallel()
	report := func(t *testing.T, p *plane, follow ...string) (aureus.AuditRecord, string) {
		t.Helper()
		f := p.follow(t, "", policy.FollowConfig{RecordInputs: follow})
		decision, err := f.Decide(t.Context(), readAccount())
		require.NoError(t, err)
		require.NoError(t, f.Close(t.Context()))
		entries, text := exportedDecisions(t, p.server, "?inputs=true")
		require.Len(t, entries, 1)
		require.Equal(t, decision.ID, entries[0].DecisionID)
		require.Equal(t, "reported", entries[0].Details["source"])
		return entries[0], text
	}
	for name, c := range map[string]struct {
		server, follower []string
		want             []aureus.DecisionInput
	}{
		"both record it":       {[]string{"arguments"}, []string{"arguments.id"}, []aureus.DecisionInput{{Name: "arguments.id", Status: "recorded", Value: "acme"}}},
		"the server does not":  {nil, []string{"arguments.id"}, nil},
		"the server, others":   {[]string{"claims"}, []string{"arguments.id"}, []aureus.DecisionInput{{Name: "arguments.id", Status: "redacted"}}},
		"the follower, others": {[]string{"arguments"}, []string{"claims"}, []aureus.DecisionInput{{Name: "arguments.id", Status: "redacted"}}},
		"the follower: none":   {[]string{"arguments"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, recordingInputs(c.server...))
			p.put(t, ledgerBundle(1))
			entry, text := report(t, p, c.follower...)
			require.Equal(t, c.want, entry.Inputs)
			require.Equal(t, len(c.want) > 0 && c.want[0].Value != nil, strings.Contains(text, "acme"))
			require.Equal(t, c.want != nil, entry.Details["inputs_hash"] != nil)
		})
	}
	t.Run("a spool", func(t *testing.T) {
		t.Parallel()
		p := newPlane(t, recordingInputs("arguments"))
		p.put(t, ledgerBundle(1))
		f := p.follow(t, "", policy.FollowConfig{RecordInputs: []string{"arguments"}, Spool: t.TempDir()})
		_, err := f.Decide(t.Context(), readAccount())
		require.NoError(t, err)
		require.NoError(t, f.Close(t.Context()))
		entries, _ := exportedDecisions(t, p.server, "?inputs=true")
		require.Equal(t, []aureus.DecisionInput{{Name: "arguments.id", Status: "recorded", Value: "acme"}}, entries[0].Inputs)
	})
}

func TestRecordDecisions_InputsOfAnotherForm_AreRejected(t *testing.T) {
	t.Parallel()
	srv := open(t, recordingInputs("arguments"))
	service := srv.Client()
	for problem, list := range map[string][]aureus.DecisionInput{
		"/inputs/0/name":   {{Name: "the amount", Status: "recorded"}},
		"/inputs/1/status": {{Name: "arguments.amount", Status: "absent"}, {Name: "arguments.to", Status: "known"}},
		"/inputs: must":    make([]aureus.DecisionInput, 65),
	} {
		r := record("p")
		r.Inputs = list
		require.Contains(t, rejectedBecause(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{r})), problem)
	}
	r := record("p")
	r.Inputs = []aureus.DecisionInput{{Name: "arguments.amount", Status: "recorded", Value: 1}}
	require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{r}))
	r.Inputs[0].Value = 2
	require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{r}), "the same decision; its first inputs are kept")
	details, err := service.Decision(t.Context(), r.DecisionID)
	require.NoError(t, err)
	require.Equal(t, json.Number("1"), details.Inputs[0].Value)
}

func TestOpen_RecordInputs_AreChecked(t *testing.T) {
	t.Parallel()
	_, err := controlplane.Open(t.Context(), controlplane.Config{Ephemeral: true, RecordInputs: []string{"amount"}})
	require.ErrorContains(t, err, `RecordInputs: "amount" is not the name of an input`)
	_, err = controlplane.Open(t.Context(), controlplane.Config{Ephemeral: true, InputRetention: time.Minute})
	require.ErrorContains(t, err, "InputRetention must be at least an hour")
}

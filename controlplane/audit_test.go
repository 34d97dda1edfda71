package controlplane_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// busy creates audit entries of every kind.
func busy(t *testing.T, srv *controlplane.Server, clock *clock) {
	t.Helper()
	service, olga := srv.Client(), srv.Operator("olga")
	newKey(t, srv, controlplane.RoleService, "svc")
	approved, rejected := ask(t, service, 1), ask(t, service, 2)
	ask(t, service, 3)
	_, err := olga.Approve(t.Context(), approved.ID, approved.ActionDigest, "as agreed")
	require.NoError(t, err)
	_, err = olga.Reject(t.Context(), rejected.ID, rejected.ActionDigest, "")
	require.NoError(t, err)
	passed, err := service.Decide(t.Context(), transfer(aureus.TierHigh, 1))
	require.NoError(t, err)
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: passed.ID, Status: vocab.OutcomeSuccess, DurationMS: 12.5}}))
	_, err = service.RegisterValidator(t.Context(), "house", map[string]any{"type": "not_null"})
	require.NoError(t, err)
	_, err = service.ValidateCommit(t.Context(), aureus.Commit{ID: "c", Data: nil}, aureus.GateConfig{Name: "g", Validators: []string{"house"}, BlockOnFailure: true})
	require.NoError(t, err)
	clock.Advance(2 * time.Hour)
	_, err = olga.Approval(t.Context(), approved.ID)
	require.NoError(t, err)
}

func TestAudit_EachKindOfChange_HasAnEntry(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	busy(t, srv, clock)
	entries := collectAudit(t, srv.Operator("olga"))
	type line struct {
		kind, decision string
		from, to       aureus.GoalGuardState
	}
	var got []line
	for i, e := range entries {
		require.EqualValues(t, i+1, e.Sequence)
		got = append(got, line{e.Kind, e.Decision, e.FromState, e.ToState})
	}
	asked := line{vocab.AuditApprovalRequested, "", "evaluating", "pending_human"}
	pending := line{vocab.AuditDecision, "require_approval", "evaluating", "pending_human"}
	require.Equal(t, []line{
		{vocab.AuditKeyAdded, "", "", ""},
		asked, pending, asked, pending, asked, pending,
		{vocab.AuditApprovalApproved, "approve", "pending_human", "approved"},
		{vocab.AuditApprovalRejected, "reject", "pending_human", "rejected"},
		{vocab.AuditApprovalConsumed, "", "approved", "idle"},
		{vocab.AuditDecision, "allow", "evaluating", "approved"},
		{vocab.AuditOutcome, "success", "", ""},
		{vocab.AuditApprovalCommitted, "", "idle", "idle"},
		{vocab.AuditValidator, "", "", ""},
		{vocab.AuditGateResult, "blocked", "", ""},
		{vocab.AuditApprovalExpired, "", "pending_human", "idle"},
	}, got)
	require.Equal(t, []any{"approved", "evaluating", "approved"}, entries[10].Details["transitions"])
	require.Equal(t, "olga", entries[7].By)
	require.Equal(t, "as agreed", entries[7].Details["comment"])
	require.Equal(t, "MISSING_DATA", entries[14].Details["failure_code"])
	require.Equal(t, entries[10].DecisionID, entries[11].DecisionID)
	require.Equal(t, "agent-1", entries[11].Principal)
	require.Equal(t, entries[10].DecisionID, entries[12].DecisionID)
	require.Equal(t, entries[9].ApprovalID, entries[12].ApprovalID)
}

// The test recomputes the chain from the exported lines, with only the documented
// encoding.
func TestExport_VerifiedByHand_IsComplete(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	busy(t, srv, clock)
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	export := raw{method: "GET", path: "/api/v1/audit/export", key: key}.do(t, srv)
	require.Equal(t, "application/x-ndjson", export.header.Get("Content-Type"))
	previous := ""
	lines := strings.Split(strings.TrimSuffix(export.body, "\n"), "\n")
	for _, line := range lines {
		var e map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		text := func(name string) (s string) {
			if raw, ok := e[name]; ok {
				require.NoError(t, json.Unmarshal(raw, &s))
			}
			return s
		}
		h := sha256.New()
		for _, part := range []string{
			"aureus.audit.v1", "default", string(e["sequence"]), text("timestamp"), text("kind"), text("decision_id"), text("principal"),
			text("on_behalf_of"), text("action"), text("decision"), text("reason_code"), text("from_state"), text("to_state"),
			text("action_digest"), text("approval_id"), text("by"), text("key_id"), string(e["details"]), text("previous_hash"),
		} {
			require.NoError(t, binary.Write(h, binary.BigEndian, uint64(len(part))))
			h.Write([]byte(part))
		}
		require.Equal(t, text("hash"), hex.EncodeToString(h.Sum(nil)), line)
		require.Equal(t, previous, text("previous_hash"))
		previous = text("hash")
	}
	verified, err := srv.Operator("olga").VerifyAudit(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, verified.Checkpoint, int64(len(lines)))
	verified.Checkpoint = 0 // it depends on the moment
	require.Equal(t, aureus.AuditVerification{Valid: true, Entries: int64(len(lines)), Head: previous}, verified)
}

// The test changes the file directly, as somebody with access to the disk could.
func TestVerify_ChangedEntry_IsFound(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		statement string
		first     int64
	}{
		"a field":                          {`UPDATE audit SET principal = 'someone-else' WHERE sequence = 4`, 4},
		"a time":                           {`UPDATE audit SET at = at + 1 WHERE sequence = 4`, 4},
		"a detail":                         {`UPDATE audit SET details = replace(details, 'high', 'low') WHERE sequence = 4`, 4},
		"a decision's id":                  {`UPDATE audit SET decision_id = 'x' WHERE sequence = 4`, 4},
		"text moved between fields":        {`UPDATE audit SET principal = principal || 'x', on_behalf_of = substr(on_behalf_of, 2) WHERE sequence = 4`, 4},
		"a hash":                           {`UPDATE audit SET hash = '' WHERE sequence = 4`, 4},
		"a field with its hash":            {`UPDATE audit SET principal = 'x', hash = (SELECT hash FROM audit WHERE sequence = 5) WHERE sequence = 4`, 4},
		"the tenant":                       {`UPDATE audit SET tenant = 'other' WHERE sequence = 4`, 4},
		"two entries swapped":              {`UPDATE audit SET sequence = CASE sequence WHEN 4 THEN 1005 ELSE 1004 END WHERE sequence IN (4, 5); UPDATE audit SET sequence = sequence - 1000 WHERE sequence > 1000`, 4},
		"the first one deleted":            {`DELETE FROM audit WHERE sequence = 1`, 1},
		"one deleted":                      {`DELETE FROM audit WHERE sequence = 4`, 4},
		"one deleted, the rest renumbered": {`DELETE FROM audit WHERE sequence = 4; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 4`, 4},
		"the last one deleted":             {`DELETE FROM audit WHERE sequence = 16`, 16},
		"all deleted":                      {`DELETE FROM audit`, 1},
		"one added at the end": {`INSERT INTO audit SELECT tenant, 17, at, kind, decision_id, principal, on_behalf_of, action, decision, reason_code, from_state,
			to_state, action_digest, approval_id, by, key_id, details, hash, hash FROM audit WHERE sequence = 16`, 17},
		"the end moved back": {`UPDATE audit_heads SET sequence = 15, hash = (SELECT hash FROM audit WHERE sequence = 15)`, 16},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			file := filepath.Join(t.TempDir(), "aureus.db")
			srv := open(t, at(clock), func(c *controlplane.Config) { c.DB = file })
			busy(t, srv, clock)
			olga := srv.Operator("olga")
			before, err := olga.VerifyAudit(t.Context())
			require.NoError(t, err)
			require.True(t, before.Valid)
			require.EqualValues(t, 16, before.Entries)

			db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(5000)") // the server may write at the same time
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			if strings.HasPrefix(row.statement, "UPDATE audit SET") || strings.HasPrefix(row.statement, "DELETE") {
				_, err = db.Exec(row.statement)
				require.ErrorContains(t, err, "append-only", "a trigger refuses the statement")
			}
			_, err = db.Exec("DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; " + row.statement)
			require.NoError(t, err)

			after, err := olga.VerifyAudit(t.Context())
			require.NoError(t, err)
			require.False(t, after.Valid)
			require.Equal(t, row.first, after.FirstInvalid)
		})
	}
}

func TestAudit_FiltersAndPages_GiveWhatMatches(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	service := srv.Client()
	for i := range 5 {
		request := transfer(aureus.TierLow, i)
		request.Principal.ID = fmt.Sprintf("agent-%d", i%2)
		request.Action.ID = fmt.Sprintf("action-%d", i)
		_, err := service.Decide(t.Context(), request)
		require.NoError(t, err)
		clock.Advance(time.Minute)
	}
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	for query, want := range map[string][]int64{
		"principal=agent-0":                         {1, 3, 5},
		"principal=agent-0&limit=2":                 {1, 3, 5},
		"principal=agent":                           nil,
		"action=action-3":                           {4},
		"principal=agent-1&action=action-3":         {4},
		"principal=agent-0&action=action-3":         nil,
		"start_time=2026-03-01T12:03:00Z":           {4, 5, 6},
		"start_time=2026-03-01T12:03:00":            {4, 5, 6},
		"start_time=2026-03-01T13:03:00+01:00":      {4, 5, 6}, // a plus that was not escaped
		"start_time=2026-03-01T13:03:00%2B01:00":    {4, 5, 6},
		"end_time=2026-03-01T12:01:00Z":             {1, 2},
		"start_time=2026-03-02&end_time=2026-03-01": nil,
		"limit=1": {1, 2, 3, 4, 5, 6},
	} {
		t.Run(query, func(t *testing.T) {
			var got []int64
			for path := "/api/v1/audit?" + query; path != ""; {
				page := raw{method: "GET", path: path, key: key}.do(t, srv)
				require.Equal(t, 200, page.status, page.body)
				var entries []aureus.AuditRecord
				require.NoError(t, strictjson.Unmarshal([]byte(page.body), &entries))
				for _, e := range entries {
					got = append(got, e.Sequence)
				}
				path = nextPath(page)
			}
			require.Equal(t, want, got)
		})
	}
}

func TestReportedDecisions_SentTwice_AreRecordedOnce(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, olga := srv.Client(), srv.Operator("olga")
	records := []aureus.DecisionRecord{record("agent-1"), record("agent-2")}
	records[1].Effect, records[1].ReasonCode = "require_approval", aureus.ReasonHighRisk
	require.NoError(t, service.RecordDecisions(t.Context(), records))
	require.NoError(t, service.RecordDecisions(t.Context(), records), "recording again changes nothing")
	entries := collectAudit(t, olga)
	require.Len(t, entries, 2)
	require.Equal(t, records[1].DecisionID, entries[1].DecisionID)
	require.Equal(t, "require_approval", entries[1].Decision)
	require.EqualValues(t, vocab.StatePendingHuman, entries[1].ToState)
	require.Equal(t, "reported", entries[0].Details["source"])
	require.Equal(t, "key_in_process", entries[0].KeyID)

	forged := records[0]
	forged.Effect = "deny"
	unknown := record("agent-1")
	unknown.Effect = "permit"
	zero := record("agent-1")
	zero.DecisionID = aureus.DecisionID{}
	err := service.RecordDecisions(t.Context(), []aureus.DecisionRecord{forged, record("agent-3"), unknown, zero})
	partial, ok := errors.AsType[*aureus.PartialError](err)
	require.True(t, ok, err)
	require.Equal(t, 1, partial.Accepted)
	require.Equal(t, []int{0, 2, 3}, []int{partial.Rejected[0].Index, partial.Rejected[1].Index, partial.Rejected[2].Index})
	require.Len(t, collectAudit(t, olga), 3)

	evaluated, err := service.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{evaluated.Record()}), "a decision of the server is already recorded")
	require.Len(t, collectAudit(t, olga), 4)
}

func TestOutcomes_Reported_AreRecordedOrRejected(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, olga := srv.Client(), srv.Operator("olga")
	decision, err := service.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	gate := &aureus.GateResult{GateName: "ledger", CRVStatus: vocab.CRVBlocked, BlockedCommit: true, FailureCode: aureus.OutOfScope, ValidationResults: []aureus.ValidationResult{{Reason: "balance 12345"}}}
	outcome := aureus.Outcome{DecisionID: decision.ID, Status: vocab.OutcomeBlocked, ErrorClass: "overdraft", DurationMS: 3.5, GateResult: gate}
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{outcome}))
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{outcome}))
	early := aureus.Outcome{DecisionID: aureus.NewDecisionID(time.Now()), Status: "parked"}
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{early}), "an outcome may arrive before its decision, and its status may be any word")

	entries := collectAudit(t, olga)
	require.Len(t, entries, 3)
	require.Equal(t, "blocked", entries[1].Decision)
	require.Equal(t, map[string]any{"gate_name": "ledger", "passed": false, "blocked": true, "crv_status": "blocked", "failure_code": "OUT_OF_SCOPE"}, entries[1].Details["gate"])
	require.NotContains(t, mustMarshal(t, entries[1]), "12345", "reasons may quote data, so the log does not contain them")

	other := client(t, srv, newKey(t, srv, controlplane.RoleService, "other"))
	contradicted := outcome
	contradicted.Status = vocab.OutcomeSuccess
	for name, err := range map[string]error{
		"another outcome for the same decision": service.RecordOutcomes(t.Context(), []aureus.Outcome{contradicted}),
		"another key's decision":                other.RecordOutcomes(t.Context(), []aureus.Outcome{outcome}),
		"no status":                             service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: decision.ID}}),
		"no decision":                           service.RecordOutcomes(t.Context(), []aureus.Outcome{{Status: "success"}}),
	} {
		partial, ok := errors.AsType[*aureus.PartialError](err)
		require.True(t, ok, "%s: %v", name, err)
		require.Len(t, partial.Rejected, 1, name)
	}
}

func TestAuditBatch_TooManyRecords_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	many := raw{path: "/api/v1/audit/outcomes/batch", body: "[" + strings.Repeat("{},", 2048) + "{}]", key: key}.do(t, srv)
	many.refusal(t, 413, "BODY_TOO_LARGE")
	require.Contains(t, many.body, "more than 2048 items")
	fit := raw{path: "/api/v1/audit/outcomes/batch", body: "[" + strings.Repeat("{},", 2047) + "null]", key: key}.do(t, srv)
	require.Equal(t, 200, fit.status)
	require.Len(t, fit.json(t)["rejected"], 2048)
	long := raw{path: "/api/v1/audit/outcomes/batch", key: key, body: mustMarshal(t, []aureus.Outcome{{
		DecisionID: record("a").DecisionID, Status: "ok", GateResult: &aureus.GateResult{GateName: strings.Repeat("g", 1025), ValidationResults: []aureus.ValidationResult{}},
	}})}.do(t, srv)
	require.Contains(t, mustMarshal(t, long.json(t)["rejected"]), "/gate_result/gate_name")

	records := make([]aureus.DecisionRecord, 2100) // the client splits them by the server's limit
	for i := range records {
		records[i] = record("agent-1")
	}
	require.NoError(t, srv.Client().RecordDecisions(t.Context(), records))
	require.Len(t, collectAudit(t, srv.Operator("olga")), len(records)+1)
}

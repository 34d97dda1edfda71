package controlplane_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// rejectedBecause checks that one item of a batch was rejected, and returns the reason.
func rejectedBecause(t *testing.T, err error) string {
	t.Helper()
	partial, ok := errors.AsType[*aureus.PartialError](err)
	require.True(t, ok, "%v", err)
	require.Len(t, partial.Rejected, 1)
	return partial.Rejected[0].Reason
}

// An id identifies one decision. Recording the same decision again changes nothing;
// another decision with the id is refused, whichever field differs.
func TestReportedDecision_KnownIDOtherContent_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, olga := srv.Client(), srv.Operator("olga")
	reported := record("agent-1")
	evaluated, err := service.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	for name, first := range map[string]aureus.DecisionRecord{"reported": reported, "evaluated": evaluated.Record()} {
		require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{first}), name)
		require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{first, first}), name)
		before := collectAudit(t, olga)
		for field, change := range map[string]func(*aureus.DecisionRecord){
			"principal":      func(r *aureus.DecisionRecord) { r.Principal = "agent-9" },
			"on_behalf_of":   func(r *aureus.DecisionRecord) { r.OnBehalfOf = "owner" },
			"action":         func(r *aureus.DecisionRecord) { r.Action = "other" },
			"tool_name":      func(r *aureus.DecisionRecord) { r.ToolName = "psql" },
			"risk_tier":      func(r *aureus.DecisionRecord) { r.RiskTier = aureus.TierCritical },
			"effect":         func(r *aureus.DecisionRecord) { r.Effect = "deny" },
			"reason_code":    func(r *aureus.DecisionRecord) { r.ReasonCode = aureus.ReasonApproved },
			"rule":           func(r *aureus.DecisionRecord) { r.Rule = "another" },
			"policy_version": func(r *aureus.DecisionRecord) { r.PolicyVersion = "v9" },
			"action_digest":  func(r *aureus.DecisionRecord) { r.ActionDigest = aureus.Digest{1} },
			"approval_id":    func(r *aureus.DecisionRecord) { r.ApprovalID = "apr_1" },
			"claimed":        func(r *aureus.DecisionRecord) { r.Claimed = !r.Claimed },
		} {
			second := first
			change(&second)
			reason := rejectedBecause(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{second, first}))
			require.Contains(t, reason, "STATE_CONFLICT", "%s, %s", name, field)
		}
		require.Equal(t, before, collectAudit(t, olga), name)
	}
}

// Outcomes arrive before their decision, in every order, from the service of the
// decision, from another service and from an operator.
func TestOutcomes_BeforeTheirDecision_TheOwnersCounts(t *testing.T) {
	t.Parallel()
	const own, stranger, operator = "ledger", "payroll", "olga"
	for name, row := range map[string]struct {
		early  []string // who reports before the decision arrives
		stands string   // whose report is accepted after the decision has arrived
	}{
		"nobody's":                          {nil, ""},
		"its own":                           {[]string{own}, own},
		"another service's":                 {[]string{stranger}, ""},
		"its own after another's":           {[]string{stranger, own}, own},
		"its own before another's":          {[]string{own, stranger}, own},
		"an operator's":                     {[]string{operator}, operator},
		"an operator's, not a stranger's":   {[]string{stranger, operator}, operator},
		"its own rather than an operator's": {[]string{operator, own}, own},
	} {
		t.Run(name, func(t *testing.T) {
			srv := open(t)
			clients := map[string]*aureus.Client{
				own: client(t, srv, newKey(t, srv, controlplane.RoleService, own)), stranger: client(t, srv, newKey(t, srv, controlplane.RoleService, stranger)),
				operator: client(t, srv, newKey(t, srv, controlplane.RoleOperator, operator)),
			}
			decision := record("agent-1")
			outcome := func(by string) []aureus.Outcome {
				return []aureus.Outcome{{DecisionID: decision.DecisionID, Status: "said by " + by, DurationMS: 2}}
			}
			for _, by := range row.early {
				require.NoError(t, clients[by].RecordOutcomes(t.Context(), outcome(by)))
				require.NoError(t, clients[by].RecordOutcomes(t.Context(), outcome(by)), "reporting again changes nothing")
				require.Contains(t, rejectedBecause(t, clients[by].RecordOutcomes(t.Context(), outcome("a liar"))), "STATE_CONFLICT")
			}
			require.NoError(t, clients[own].RecordDecisions(t.Context(), []aureus.DecisionRecord{decision}))

			var early, standing []aureus.AuditRecord
			for _, entry := range collectAudit(t, clients[operator]) {
				switch {
				case entry.Kind != vocab.AuditOutcome:
				case entry.Details["early"] == true: //nolint:revive // of type any
					early = append(early, entry)
				default:
					standing = append(standing, entry)
				}
			}
			require.Len(t, early, len(row.early), "every early report is in the log")
			for i, by := range row.early {
				require.Equal(t, by, early[i].By)
			}
			if row.stands == "" {
				require.Empty(t, standing)
				require.Contains(t, rejectedBecause(t, clients[stranger].RecordOutcomes(t.Context(), outcome(stranger))), "another subject")
				require.NoError(t, clients[own].RecordOutcomes(t.Context(), outcome(own)), "no other outcome was accepted")
				return
			}
			require.Len(t, standing, 1)
			require.Equal(t, []string{"said by " + row.stands, row.stands, "agent-1", "transfer"},
				[]string{standing[0].Decision, standing[0].By, standing[0].Principal, standing[0].Action})
			require.Contains(t, mustMarshal(t, standing[0].Details), `"duration_ms":2`)
			require.NoError(t, clients[row.stands].RecordOutcomes(t.Context(), outcome(row.stands)), "reporting again changes nothing")
			require.Contains(t, rejectedBecause(t, clients[own].RecordOutcomes(t.Context(), outcome("a second thought"))), "STATE_CONFLICT")
			verified, err := clients[operator].VerifyAudit(t.Context())
			require.NoError(t, err)
			require.True(t, verified.Valid)
		})
	}
}

// An operator may report the outcome of a decision of another key in its tenant.
func TestOutcome_OfAnOperator_IsRecorded(t *testing.T) {
	t.Parallel()
	srv := open(t)
	decision, err := srv.Client().Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	outcome := []aureus.Outcome{{DecisionID: decision.ID, Status: vocab.OutcomeFailed}}
	other := client(t, srv, newKey(t, srv, controlplane.RoleService, "other"))
	require.Contains(t, rejectedBecause(t, other.RecordOutcomes(t.Context(), outcome)), "another subject")
	require.NoError(t, srv.Operator("olga").RecordOutcomes(t.Context(), outcome))
	entries := collectAudit(t, srv.Operator("olga"))
	require.Equal(t, "olga", entries[len(entries)-1].By)
	require.Equal(t, "agent-1", entries[len(entries)-1].Principal)
}

// A name that looks like the requester's counts as the requester, who may not
// decide the approval.
func TestApprove_NameThatLooksLikeTheRequester_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	asking := client(t, srv, newKey(t, srv, controlplane.RoleService, "Ölga"))
	request := transfer(aureus.TierHigh, 1)
	request.Principal.ID, request.OnBehalfOf = "Agent-1", "Owner"
	decision, err := asking.Decide(t.Context(), request)
	require.NoError(t, err)
	for _, name := range []string{"Ölga", "ölga", "ÖLGA", "agent-1", "AGENT-1", "owner", "OWNER"} {
		decider := client(t, srv, newKey(t, srv, controlplane.RoleOperator, name))
		for _, decide := range []func() (aureus.Approval, error){
			func() (aureus.Approval, error) {
				return decider.Approve(t.Context(), decision.Approval.ID, decision.Digest, "")
			},
			func() (aureus.Approval, error) {
				return decider.Reject(t.Context(), decision.Approval.ID, decision.Digest, "")
			},
		} {
			_, err := decide()
			refused, ok := errors.AsType[*aureus.Error](err)
			require.True(t, ok, "%s: %v", name, err)
			require.Equal(t, "SELF_APPROVAL", refused.Code, name)
		}
	}
	// Where a name grants something, it must be equal exactly.
	var lookalike *aureus.Client
	for _, name := range []string{"ölga", "ÖLGA"} {
		lookalike = client(t, srv, newKey(t, srv, controlplane.RoleService, name))
		_, err = lookalike.Approval(t.Context(), decision.Approval.ID)
		require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	}

	decided, err := srv.Operator("Otto").Approve(t.Context(), decision.Approval.ID, decision.Digest, "")
	require.NoError(t, err)
	require.Equal(t, "Otto", decided.Decisions[0].By, "names are stored unchanged")
	require.ErrorIs(t, lookalike.ConsumeApproval(t.Context(), decision.Approval.ID, use(decided)), aureus.ReasonApprovalUnknown.Err())
}

// A subject that looks like another one on the screen is refused.
func TestKeys_SubjectWithInvisibleCharacters_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	for what, subject := range map[string]string{
		"empty":                       "",
		"a leading space":             " olga",
		"a trailing space":            "olga ",
		"a trailing line":             "olga\n",
		"a tab":                       "ol\tga",
		"a NUL":                       "olga\x00",
		"an escape":                   "\x1b[2Jolga",
		"a zero width space":          "ol\u200bga",
		"a zero width joiner":         "olga\u200d",
		"a word joiner":               "olga\u2060",
		"a soft hyphen":               "ol\u00adga",
		"a byte order mark":           "\ufeffolga",
		"a right-to-left override":    "\u202eaglo",
		"an isolate":                  "\u2066olga\u2069",
		"a no-break space":            "olga\u00a0smith",
		"an ideographic space":        "olga\u3000",
		"a line separator":            "olga\u2028",
		"a Hangul filler":             "olga\u3164",
		"a combining grapheme joiner": "olga\u034f",
		"a variation selector":        "olga\ufe0f",
		"an empty Braille pattern":    "olga\u2800",
		"a tag":                       "olga\U000e0041",
		"a private character":         "olga\ue000",
		"an unassigned character":     "olga\u0378",
		"invalid UTF-8":               "olga\xff",
	} {
		_, _, err := srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: subject, Role: controlplane.RoleOperator})
		require.Error(t, err, what)
		_, _, err = srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "olga", Role: controlplane.RoleService, SpeaksFor: []string{subject}})
		require.Error(t, err, what)
	}
	for _, subject := range []string{"olga", "Olga Smith", "Ölga", "オルガ", "o'lga@example.org", "ledger/2", "spiffe://x/y", "e\u0301"} {
		newKey(t, srv, controlplane.RoleService, subject)
	}
}

// If the store cannot be written, reads still return the present state.
func TestApprovals_Expired_AreReadWithoutAWrite(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv, unplug := unpluggable(t, at(clock))
	service, olga := srv.Client(), srv.Operator("olga")
	pending, approved, rejected := ask(t, service, 1), ask(t, service, 2), ask(t, service, 3)
	_, err := olga.Approve(t.Context(), approved.ID, approved.ActionDigest, "")
	require.NoError(t, err)
	_, err = olga.Reject(t.Context(), rejected.ID, rejected.ActionDigest, "")
	require.NoError(t, err)
	stranger, operator := newKey(t, srv, controlplane.RoleService, "stranger"), newKey(t, srv, controlplane.RoleOperator, "otto")
	clock.Advance(2 * time.Hour)
	unplug()

	for _, reader := range []*aureus.Client{service, olga} {
		for status, want := range map[aureus.ApprovalStatus][]string{
			aureus.ApprovalPending: nil, aureus.ApprovalApproved: nil, aureus.ApprovalRejected: {rejected.ID},
			aureus.ApprovalExpired: {pending.ID, approved.ID}, "": {pending.ID, approved.ID, rejected.ID},
		} {
			list, err := aureus.Collect(reader.Approvals(t.Context(), aureus.ApprovalQuery{Status: status}))
			require.NoError(t, err)
			var ids []string
			for _, a := range list {
				ids = append(ids, a.ID)
				if status != "" {
					require.Equal(t, status, a.Status)
				}
			}
			require.Equal(t, want, ids, status)
		}
		for id, want := range map[string]aureus.ApprovalStatus{
			pending.ID: aureus.ApprovalExpired, approved.ID: aureus.ApprovalExpired, rejected.ID: aureus.ApprovalRejected,
		} {
			a, err := reader.Approval(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, want, a.Status)
		}
	}
	raw{method: "GET", path: "/api/v1/policy/approvals/" + pending.ID, key: stranger}.do(t, srv).refusal(t, 404, "APPROVAL_UNKNOWN")
	raw{path: "/api/v1/policy/approvals/" + pending.ID + "/approve", key: operator, body: mustMarshal(t, map[string]any{"action_digest": pending.ActionDigest})}.
		do(t, srv).refusal(t, 503, "STATE_STORE_ERROR")
}

// unpluggable is a server whose store can be switched to refuse every write.
func unpluggable(t *testing.T, change ...func(*controlplane.Config)) (srv *controlplane.Server, unplug func()) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let an open file be renamed: run this on a Unix")
	}
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv = open(t, append(change, func(c *controlplane.Config) { c.DB = file })...)
	return srv, func() { require.NoError(t, os.Rename(file, file+".aside")) }
}

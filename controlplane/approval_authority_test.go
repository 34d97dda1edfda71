package controlplane_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// addKey adds a key and returns its client and its id.
func addKey(t *testing.T, srv *controlplane.Server, role controlplane.Role, subject string) (*aureus.Client, string) {
	t.Helper()
	secret := newKey(t, srv, role, subject)
	id, _, _ := strings.Cut(secret, ".")
	return client(t, srv, secret), id
}

func decide(t *testing.T, c guard.Decider, request aureus.Request) aureus.Decision {
	t.Helper()
	decision, err := guard.Decide(t.Context(), c, request)
	require.NoError(t, err)
	return decision
}

// An approval is valid only while the key of its approver and the key that requested it
// are both valid.
func TestEvaluate_KeyBehindTheApprovalRevoked_AsksAnew(t *testing.T) {
	t.Parallel()
	for name, pick := range map[string]func(requester, approver string) string{
		"the approver's":  func(_, approver string) string { return approver },
		"the requester's": func(requester, _ string) string { return requester },
	} {
		for who, decider := range deciders {
			t.Run(name+"/"+who, func(t *testing.T) {
				srv := open(t)
				first, requester := addKey(t, srv, controlplane.RoleService, "ledger")
				successor, _ := addKey(t, srv, controlplane.RoleService, "ledger")
				olga, approver := addKey(t, srv, controlplane.RoleOperator, "olga")
				approval := ask(t, first, 500)
				_, err := olga.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
				require.NoError(t, err)
				require.NoError(t, srv.Keys().Revoke(t.Context(), "test", pick(requester, approver)))

				decision := decide(t, decider(successor), transfer(aureus.TierHigh, 500))
				require.Equal(t, aureus.RequireApproval, decision.Effect)
				require.NotEqual(t, approval.ID, decision.Approval.ID)
				require.ErrorIs(t, successor.ConsumeApproval(t.Context(), approval.ID, use(approval)), aureus.ReasonApprovalExpired.Err())
				ended, err := srv.Operator("otto").Approval(t.Context(), approval.ID)
				require.NoError(t, err)
				require.Equal(t, aureus.ApprovalExpired, ended.Status)
				entries := collectAudit(t, srv.Operator("otto"))
				why := ""
				for _, e := range entries {
					if e.Kind == vocab.AuditApprovalExpired && e.ApprovalID == approval.ID {
						why, _ = e.Details["why"].(string)
					}
				}
				require.Contains(t, why, "may no longer act")
			})
		}
	}
}

// late is a request body that revokes a key when it is first read: by then the request
// has been authenticated.
type late struct {
	io.Reader
	revoke func()
}

func (l *late) Read(p []byte) (int, error) {
	if l.revoke != nil {
		l.revoke()
		l.revoke = nil
	}
	return l.Reader.Read(p)
}

// A request whose key is revoked while it is being answered changes nothing.
func TestRequest_KeyRevokedOnTheWay_ChangesNothing(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		role       controlplane.Role
		path, body func(a aureus.Approval) string
	}{
		"a decision without an approval": {controlplane.RoleService, nil, func(aureus.Approval) string { return mustMarshal(t, transfer(aureus.TierLow, 1).Context()) }},
		"a decision with an approval":    {controlplane.RoleService, nil, func(aureus.Approval) string { return mustMarshal(t, transfer(aureus.TierHigh, 500).Context()) }},
		"a request for an approval": {controlplane.RoleService, func(aureus.Approval) string { return "/api/v1/policy/approval" }, func(aureus.Approval) string {
			return `{"action":` + deletionJSON + `,"principal":` + agentJSON + `,"reason":"r"}`
		}},
		"consuming an approval": {controlplane.RoleService, func(a aureus.Approval) string { return "/api/v1/policy/approvals/" + a.ID + "/consume" }, func(a aureus.Approval) string { return mustMarshal(t, use(a)) }},
		"rejecting an approval": {controlplane.RoleOperator, func(a aureus.Approval) string { return "/api/v1/policy/approvals/" + a.ID + "/reject" }, func(a aureus.Approval) string {
			return `{"action_digest":"` + a.ActionDigest.String() + `"}`
		}},
		"a decision made elsewhere": {controlplane.RoleService, fixedPath("/api/v1/audit/records/batch"), func(aureus.Approval) string { return mustMarshal(t, []any{record("ledger")}) }},
		"an outcome": {controlplane.RoleService, fixedPath("/api/v1/audit/outcomes/batch"), func(aureus.Approval) string {
			return mustMarshal(t, []any{aureus.Outcome{DecisionID: aureus.NewDecisionID(time.Now()), Status: vocab.OutcomeRefused}})
		}},
		"a gate result": {controlplane.RoleService, fixedPath("/api/v1/audit/gates/batch"), func(aureus.Approval) string {
			return `[{"gate_name":"g","passed":true,"blocked":false,"crv_status":"passed"}]`
		}},
		"a commit to validate": {controlplane.RoleService, fixedPath("/api/v1/crv/validate"), func(aureus.Approval) string {
			return `{"commit":{"id":"c","data":1},"gate_config":{"name":"g","validators":["not_null"],"block_on_failure":true}}`
		}},
		"a validator": {controlplane.RoleService, fixedPath("/api/v1/crv/validators"), func(aureus.Approval) string {
			return `{"validator_id":"v","config":{"type":"max_size","parameters":{"max":9}}}`
		}},
		"a workflow": {controlplane.RoleService, fixedPath("/api/v1/workflows/execute"), func(aureus.Approval) string {
			return `{"workflow":{"id":"w","name":"w","tasks":[{"id":"a","name":"A","type":"action"}],"dependencies":{}}}`
		}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := open(t)
			asking, _ := addKey(t, srv, controlplane.RoleService, "ledger")
			approval := ask(t, asking, 500)
			if row.role == controlplane.RoleService {
				_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
				require.NoError(t, err)
			}
			subject := "ledger"
			if row.role == controlplane.RoleOperator {
				subject = "otto"
			}
			secret := newKey(t, srv, row.role, subject)
			id, _, _ := strings.Cut(secret, ".")
			path := "/api/v1/policy/evaluate"
			if row.path != nil {
				path = row.path(approval)
			}
			before := collectAudit(t, srv.Operator("olga"))
			body := &late{strings.NewReader(row.body(approval)), func() { require.NoError(t, srv.Keys().Revoke(t.Context(), "test", id)) }}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+path, body)
			r.Header.Set("Authorization", "Bearer "+secret)
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, r)
			answer{status: w.Code, header: w.Header(), body: w.Body.String()}.refusal(t, http.StatusUnauthorized, "AUTHENTICATION_FAILED")
			after := collectAudit(t, srv.Operator("olga"))
			require.Len(t, after, len(before)+1)
			require.Equal(t, vocab.AuditKeyRevoked, after[len(after)-1].Kind)
		})
	}
}

func fixedPath(path string) func(aureus.Approval) string {
	return func(aureus.Approval) string { return path }
}

// A request with another policy version does not end the existing approval.
func TestAskApproval_MadeUpPolicyVersion_RetiresNothing(t *testing.T) {
	t.Parallel()
	srv := open(t)
	mine, _ := addKey(t, srv, controlplane.RoleService, "ledger")
	other, _ := addKey(t, srv, controlplane.RoleService, "payroll")
	approval := ask(t, mine, 500)
	_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)
	for _, c := range []*aureus.Client{mine, other} {
		ticket, err := c.AskApproval(t.Context(), aureus.ApprovalAsk{Request: transfer(aureus.TierHigh, 500), Reason: "r", PolicyVersion: "made-up/9"})
		require.NoError(t, err)
		require.NotEqual(t, approval.ID, ticket.Approval.ID)
		require.Equal(t, aureus.ApprovalPending, ticket.Approval.Status)
	}
	u := use(approval)
	u.PolicyVersion = "made-up/9"
	require.ErrorIs(t, mine.ConsumeApproval(t.Context(), approval.ID, u), aureus.ReasonApprovalPolicyChanged.Err())
	decision := decide(t, mine, transfer(aureus.TierHigh, 500))
	require.Equal(t, aureus.Allow, decision.Effect)
	require.Equal(t, approval.ID, decision.Approval.ID)
}

// Another service of the tenant can neither see nor change an approval.
func TestApproval_AnotherServicesKey_MeetsNothing(t *testing.T) {
	t.Parallel()
	srv := open(t)
	mine, _ := addKey(t, srv, controlplane.RoleService, "ledger")
	other, _ := addKey(t, srv, controlplane.RoleService, "payroll")
	approval := ask(t, mine, 500)
	_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)

	request := transfer(aureus.TierHigh, 500)
	request.ApprovalToken = approval.ID
	decision := decide(t, other, request)
	require.Equal(t, aureus.RequireApproval, decision.Effect)
	require.Equal(t, aureus.ReasonApprovalUnknown, decision.ReasonCode)
	require.NotEqual(t, approval.ID, decision.Approval.ID)
	require.ErrorIs(t, other.ConsumeApproval(t.Context(), approval.ID, use(approval)), aureus.ReasonApprovalUnknown.Err())
	_, err = other.Approval(t.Context(), approval.ID)
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	_, err = srv.Operator("olga").Reject(t.Context(), decision.Approval.ID, decision.Digest, "")
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, decide(t, other, request).Effect)
	require.Equal(t, aureus.Allow, decide(t, mine, request).Effect)
}

// The pending approvals that one service requested for a principal do not count against
// another service or another principal.
func TestPendingApprovals_OneServiceAtItsBound_OthersGoOn(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "limits.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "| pending approvals of one subject (a service): for one principal; in all; what they hold | 20; 500; 128 MiB | 429, `TOO_MANY_PENDING_APPROVALS` |")
	require.Contains(t, string(page), "| pending approvals of a tenant | 2,000, beyond which a subject has at most 20 |") // tested in internal/storage
	srv := open(t)
	hostile, _ := addKey(t, srv, controlplane.RoleService, "hostile")
	secret := newKey(t, srv, controlplane.RoleService, "ledger")
	mine := client(t, srv, secret)
	for amount := range 20 {
		ask(t, hostile, amount)
	}
	require.Equal(t, aureus.ReasonTooManyPending, decide(t, hostile, transfer(aureus.TierHigh, 99)).ReasonCode)
	for amount := range 20 {
		ask(t, mine, amount)
	}
	_, err = mine.AskApproval(t.Context(), aureus.ApprovalAsk{Request: transfer(aureus.TierHigh, 99), Reason: "r"})
	require.ErrorIs(t, err, aureus.ReasonTooManyPending.Err())
	require.ErrorContains(t, err, "this service has 20 for the principal already")
}

func TestConfig_ApprovalTimes_LimitDecidingAndUsing(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock), func(c *controlplane.Config) { c.ApprovalLifetime, c.ApprovalUseTime = 10*time.Minute, time.Minute })
	olga := srv.Operator("olga")
	first := ask(t, srv.Client(), 1)
	require.Equal(t, aureus.Timestamp("2026-03-01T12:10:00Z"), first.DecideBy)
	require.Equal(t, first.DecideBy, first.ExpiresAt)
	clock.Advance(10 * time.Minute)
	approved, err := olga.Approve(t.Context(), first.ID, first.ActionDigest, "")
	require.NoError(t, err)
	require.Equal(t, aureus.Timestamp("2026-03-01T12:11:00Z"), approved.UseBy)
	require.Equal(t, approved.UseBy, approved.ExpiresAt)
	clock.Advance(time.Minute + 1)
	decision := decide(t, srv.Client(), transfer(aureus.TierHigh, 1))
	require.Equal(t, aureus.RequireApproval, decision.Effect)
	require.NotEqual(t, first.ID, decision.Approval.ID)
	require.Equal(t, decision.Approval.DecideBy, decision.Approval.ExpiresAt)
	require.Empty(t, decision.Approval.UseBy)

	for _, change := range []func(*controlplane.Config){
		func(c *controlplane.Config) { c.ApprovalLifetime = -1 },
		func(c *controlplane.Config) { c.ApprovalUseTime = -1 },
		func(c *controlplane.Config) { c.ApprovalLifetime = 366 * 24 * time.Hour },
		func(c *controlplane.Config) { c.ApprovalUseTime = 366 * 24 * time.Hour },
	} {
		config := controlplane.Config{Ephemeral: true}
		change(&config)
		_, err := controlplane.Open(t.Context(), config)
		require.ErrorContains(t, err, "ApprovalLifetime")
	}
}

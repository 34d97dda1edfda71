package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware"
)

const approvalID = "apr_00000000000000000000000000"

// Each decision that is not an allow has its response.
func TestEnforce_Refusal_HasProblemResponse(t *testing.T) {
	ref := func(status aureus.ApprovalStatus) aureus.ApprovalRef {
		return aureus.ApprovalRef{ID: approvalID, Status: status, ExpiresAt: "2030-01-02T03:04:05Z", URL: "https://aureus.example/a"}
	}
	rows := []struct {
		name     string
		decision aureus.Decision
		status   int
		kind     string
		code     string
		approval bool
		detail   string
	}{
		{"a denial", aureus.Decision{ReasonCode: aureus.ReasonPermissionDenied}, 403, "denied", "PERMISSION_DENIED", false, "give the decision id"},
		{"a denial without a code", aureus.Decision{}, 403, "denied", "DENIED", false, "give the decision id"},
		{"a code that is a sentence", aureus.Decision{ReasonCode: "agent-7 lacks ledger:write"}, 403, "denied", "DENIED", false, "give the decision id"},
		{"a code that is too long", aureus.Decision{ReasonCode: aureus.ReasonCode(strings.Repeat("A", 65))}, 403, "denied", "DENIED", false, "give the decision id"},
		{"a code of a bundle", aureus.Decision{ReasonCode: "OUTSIDE_BUSINESS_HOURS_2"}, 403, "denied", "OUTSIDE_BUSINESS_HOURS_2", false, "give the decision id"},
		{"an invalid request is a denial", aureus.Decision{ReasonCode: aureus.ReasonInvalidRequest}, 403, "denied", "INVALID_REQUEST", false, "give the decision id"},
		{"no approvals available", aureus.Decision{ReasonCode: aureus.ReasonNoApprovals}, 403, "denied", "APPROVALS_NOT_AVAILABLE", false, "give the decision id"},
		{"a person is asked", aureus.Decision{Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonHighRisk, Approval: ref(aureus.ApprovalPending)}, 403, "approval-required", "HIGH_NEEDS_HUMAN_APPROVAL", true, "A person has been asked"},
		{"a person was asked before", aureus.Decision{Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonApprovalPending, Approval: ref(aureus.ApprovalPending)}, 403, "approval-required", "APPROVAL_PENDING", true, "A person has been asked"},
		{"rejected, as a denial", aureus.Decision{ReasonCode: aureus.ReasonApprovalRejected, Approval: ref(aureus.ApprovalRejected)}, 403, "approval-required", "APPROVAL_REJECTED", true, "has rejected"},
		{"rejected, as a requirement", aureus.Decision{Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonApprovalRejected, Approval: ref(aureus.ApprovalRejected)}, 403, "approval-required", "APPROVAL_REJECTED", true, "has rejected"},
		{"expired", aureus.Decision{Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonApprovalExpired, Approval: ref(aureus.ApprovalPending)}, 403, "approval-required", "APPROVAL_EXPIRED", true, "A person has been asked"},
		{"consumed", aureus.Decision{Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonApprovalConsumed, Approval: ref(aureus.ApprovalPending)}, 403, "approval-required", "APPROVAL_CONSUMED", true, "A person has been asked"},
		{"for something else", aureus.Decision{ReasonCode: aureus.ReasonApprovalMismatch, Approval: ref(aureus.ApprovalApproved)}, 403, "approval-required", "APPROVAL_MISMATCH", true, "does not allow"},
		{"the rules changed", aureus.Decision{ReasonCode: aureus.ReasonApprovalPolicyChanged, Approval: ref(aureus.ApprovalApproved)}, 403, "approval-required", "APPROVAL_POLICY_CHANGED", true, "does not allow"},
		{"an approval that has no id", aureus.Decision{Effect: aureus.RequireApproval}, 403, "approval-required", "APPROVAL_REQUIRED", false, "A person has to approve"},
		{"a token that grants something", aureus.Decision{Effect: aureus.RequireApproval, Approval: aureus.ApprovalRef{ID: "approval-a1-1700000000000-0123456789abcdef0123456789abcdef"}}, 403, "approval-required", "APPROVAL_REQUIRED", false, "A person has"},
		{"a stop", aureus.Decision{ReasonCode: aureus.ReasonStopped}, 403, "stopped", "STOPPED", false, "has stopped"},
		{"a budget", aureus.Decision{ReasonCode: aureus.ReasonBudgetExceeded}, 429, "budget-exceeded", "BUDGET_EXCEEDED", false, "again later"},
		{"a rule", aureus.Decision{ReasonCode: aureus.ReasonRuleDenied}, 403, "denied", "RULE_DENIED", false, "give the decision id"},
		{"a rule that asks", aureus.Decision{Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonRuleNeedsApproval, Approval: ref(aureus.ApprovalPending)}, 403, "approval-required", "RULE_NEEDS_APPROVAL", true, "A person has been asked"},
		{"too many pending", aureus.Decision{ReasonCode: aureus.ReasonTooManyPending}, 429, "too-many-pending", "TOO_MANY_PENDING_APPROVALS", false, "too many of your requests"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			d := row.decision
			d.ID = aureus.NewDecisionID(time.Now())
			d.Reason, d.Rule, d.PolicyVersion = "because of hunter2", "rule-hunter2", "v-hunter2"
			d.PrincipalID, d.ActionID, d.Tool = "who-hunter2", "what-hunter2", "tool-hunter2"
			d.Metadata = map[string]any{"secret": "hunter2"}
			handler := middleware.Enforce(saying(d, nil), about(small))(unreachable(t))

			server := serve(t, handler)
			response, text := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, nil))
			require.Equal(t, row.status, response.StatusCode)
			p := readProblem(t, row.status, response.Header, response.Body)
			require.True(t, strings.HasSuffix(p.Type, "#"+row.kind), p.Type)
			require.Equal(t, row.code, p.Code)
			require.Contains(t, p.Detail, row.detail)
			require.Equal(t, d.ID.String(), p.DecisionID)
			require.Equal(t, "urn:aureus:decision:"+d.ID.String(), p.Instance)
			require.NotContains(t, text, "hunter2", "details of the policy are not shown")
			require.NotContains(t, text, "0123456789abcdef", "a token is not shown")
			require.Equal(t, row.approval, p.Approval != nil)
			if row.approval {
				require.Equal(t, approvalID, p.Approval.ID)
				require.Equal(t, string(d.Approval.Status), p.Approval.Status)
				require.Equal(t, "2030-01-02T03:04:05Z", p.Approval.ExpiresAt)
				require.Equal(t, "https://aureus.example/a", p.Approval.URL)
			}
		})
	}
}

func TestApprovalURL_Option_ReplacesTheURL(t *testing.T) {
	d := aureus.Decision{Effect: aureus.RequireApproval, Approval: aureus.ApprovalRef{ID: approvalID, URL: "http://10.0.0.1/inside"}}
	for name, row := range map[string]struct {
		option middleware.Options
		want   string
	}{
		"a URL that callers reach": {middleware.Options{ApprovalURL: func(id string) string { return "https://ask.example/" + id }}, "https://ask.example/" + approvalID},
		"none":                     {middleware.Options{ApprovalURL: func(string) string { return "" }}, ""},
		"that of the decision":     {middleware.Options{}, "http://10.0.0.1/inside"},
	} {
		t.Run(name, func(t *testing.T) {
			handler := middleware.Enforce(saying(d, nil), about(small), row.option)(unreachable(t))
			p := refusal(t, handler, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusForbidden)
			require.Equal(t, row.want, p.Approval.URL)
		})
	}
}

func TestChallenge_Option_IsInWWWAuthenticate(t *testing.T) {
	t.Parallel()
	ask := func(options ...middleware.Options) string {
		w := httptest.NewRecorder()
		middleware.Enforce(allow, about(aureus.Request{}), options...)(unreachable(t)).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, http.StatusUnauthorized, w.Code)
		return w.Header().Get("WWW-Authenticate")
	}
	require.Equal(t, "Bearer", ask())
	require.Equal(t, "Bearer", ask(middleware.Options{}))
	require.Equal(t, `Basic realm="ledger"`, ask(middleware.Options{Challenge: `Basic realm="ledger"`}))
}

// Retry-After is the time that the control plane sent, within limits, in whole seconds.
func TestEnforce_Undecided_HasRetryAfter(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"5":    errBroken,
		"7":    fmt.Errorf("asking: %w", &aureus.Error{Op: "Decide", StatusCode: 503, RetryAfter: 7 * time.Second}),
		"2":    &aureus.Error{Op: "Decide", StatusCode: 429, RetryAfter: 1500 * time.Millisecond},
		"3600": &aureus.Error{Op: "Decide", StatusCode: 503, RetryAfter: 1000 * time.Hour},
	} {
		w := httptest.NewRecorder()
		middleware.Enforce(saying(aureus.Decision{}, err), about(small))(unreachable(t)).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, want, w.Header().Get("Retry-After"))
	}
}

// Headers that describe other content are removed, and other headers of the middleware in
// front stay.
func TestEnforce_Refusal_ReplacesContentHeaders(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	for name, value := range map[string]string{
		"Content-Length": "5", "Etag": `"1"`, "Last-Modified": "x", "Cache-Control": "public, max-age=3600", "Content-Type": "text/html", "X-Request-Id": "r1",
	} {
		w.Header().Set(name, value)
	}
	middleware.Enforce(saying(aureus.Decision{}, nil), about(small))(unreachable(t)).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	readProblem(t, http.StatusForbidden, w.Header(), w.Body)
	require.Equal(t, "r1", w.Header().Get("X-Request-Id"))
	require.Empty(t, w.Header().Get("Etag")+w.Header().Get("Last-Modified")+w.Header().Get("Content-Length"))
}

// Each error of a handler has its own response.
func TestWriteError_Errors_HaveTheirResponses(t *testing.T) {
	failed := func(code aureus.FailureTaxonomy, reason string) aureus.ValidationResult {
		return aureus.ValidationResult{FailureCode: code, Reason: reason, Metadata: map[string]any{"iban": "hunter2"}}
	}
	gate := func(code aureus.FailureTaxonomy, results ...aureus.ValidationResult) error {
		return fmt.Errorf("saving hunter2: %w", gateError{aureus.GateResult{
			GateName: "hunter2", BlockedCommit: true, FailureCode: code, ValidationResults: results, CRVStatus: vocab.CRVBlocked,
		}})
	}
	pass := aureus.ValidationResult{Valid: true, Reason: "hunter2"}
	rows := []struct {
		name   string
		err    error
		status int
		kind   string
		code   string
		errors []string
	}{
		{"a gate", gate(aureus.OutOfScope, pass, failed(aureus.OutOfScope, "too much")), 422, "change-blocked", "OUT_OF_SCOPE", []string{"too much"}},
		{"a gate with several reasons", gate(aureus.MissingData, failed(aureus.MissingData, "no name"), failed(aureus.Conflict, "no sum")), 422, "change-blocked", "MISSING_DATA", []string{"no name", "no sum"}},
		{"a conflict", gate(aureus.Conflict, failed(aureus.Conflict, "another version")), 409, "change-blocked", "CONFLICT", []string{"another version"}},
		{"low confidence alone", gate(aureus.LowConfidence, pass), 422, "change-blocked", "LOW_CONFIDENCE", nil},
		{"only tools failed", gate(aureus.ToolError, failed(aureus.ToolError, "no response"), pass), 503, "validation-failed", "TOOL_ERROR", []string{"no response"}},
		{"a tool failed and the change is bad", gate(aureus.ToolError, failed(aureus.ToolError, "no response"), failed(aureus.PolicyViolation, "forbidden")), 422, "change-blocked", "TOOL_ERROR", []string{"no response", "forbidden"}},
		{"the zero result", gate(""), 422, "change-blocked", "CRV_VALIDATION_FAILED", nil},
		{"an unknown code", gate("hunter2", failed("hunter2", "no")), 422, "change-blocked", "CRV_VALIDATION_FAILED", []string{"no"}},
		{"a real gate", crvgate.New[int]("sum", func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
			return crvgate.Fail(aureus.Conflict, "the sums differ")
		}).Check(t.Context(), crvgate.Change[int]{}), 409, "change-blocked", "CONFLICT", []string{"the sums differ"}},
		{"a real gate that panics", crvgate.New[int]("sum", func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
			panic("hunter2")
		}).Check(t.Context(), crvgate.Change[int]{}), 503, "validation-failed", "TOOL_ERROR", nil},
		{"stale", fmt.Errorf("hunter2: %w", middleware.ErrStale), 412, "stale", "PRECONDITION_FAILED", nil},
		{"no precondition", middleware.ErrPreconditionRequired, 428, "precondition-required", "PRECONDITION_REQUIRED", nil},
		{"a guard's denial", guard.Check(t.Context(), &guard.Local{}, aureus.Request{Principal: aureus.Principal{ID: "hunter2"}, Action: transfer}), 403, "denied", "PERMISSION_DENIED", nil},
		{"a guard that cannot decide", guard.Check(t.Context(), nil, small), 503, "undecided", "UNDECIDED", nil},
		{"a guard with too many pending", &guard.Refusal{Decision: aureus.Decision{ReasonCode: aureus.ReasonTooManyPending}}, 429, "too-many-pending", "TOO_MANY_PENDING_APPROVALS", nil},
		{"a client's failure", &aureus.Error{Op: "ValidateCommit", StatusCode: 422, Message: "hunter2"}, 503, "undecided", "UNDECIDED", nil},
		{"no identity", middleware.ErrNoIdentity, 401, "identity-required", "AUTHENTICATION_FAILED", nil},
		{"bad input", fmt.Errorf("hunter2: %w", &middleware.Invalid{Pointer: "/amount", Reason: "must be above 0"}), 400, "invalid-request", "VALIDATION_ERROR", []string{"/amount must be above 0"}},
		{"bad input that is not for the caller", fmt.Errorf("hunter2: %w", aureus.ErrInvalid), 400, "invalid-request", "VALIDATION_ERROR", nil},
		{"too large", fmt.Errorf("hunter2: %w", &http.MaxBytesError{Limit: 10}), 413, "body-too-large", "BODY_TOO_LARGE", []string{"at most 10 bytes"}},
		{"any error", errBroken, 500, "internal", "INTERNAL_ERROR", nil},
		{"no error", nil, 500, "internal", "INTERNAL_ERROR", nil},
	}
	page := problemsPage(t)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			middleware.WriteError(w, httptest.NewRequest(http.MethodPost, "/", nil), row.err)
			require.Equal(t, row.status, w.Code)
			require.NotContains(t, w.Body.String(), "hunter2")
			p := readProblem(t, row.status, w.Header(), w.Body)
			require.Equal(t, row.code, p.Code)
			_, kind, _ := strings.Cut(p.Type, "#")
			require.Equal(t, row.kind, kind)
			require.Contains(t, page, "\n## "+kind+"\n", "the page that the type points to explains it")
			for i, want := range row.errors {
				require.Equal(t, want, strings.TrimSpace(p.Errors[i].Pointer+" "+p.Errors[i].Detail))
			}
			if row.errors == nil && row.code != "TOOL_ERROR" {
				require.Empty(t, p.Errors)
			}
			if aureus.FailureTaxonomy(row.code).Valid() {
				require.Equal(t, aureus.FailureTaxonomy(row.code).Remediation(), p.Remediation)
			}
		})
	}
}

// PROBLEMS.md has a heading for every type.
func TestProblemTypes_AllOfThem_AreExplained(t *testing.T) {
	t.Parallel()
	page := problemsPage(t)
	for _, kind := range []string{"identity-required", "denied", "approval-required", "too-many-pending", "undecided", "body-too-large", "invalid-request", "route-not-bound", "budget-exceeded", "stopped", "approval-unknown"} {
		require.Contains(t, page, "\n## "+kind+"\n")
	}
}

func problemsPage(t testing.TB) string {
	t.Helper()
	page, err := os.ReadFile("PROBLEMS.md")
	require.NoError(t, err)
	return string(page)
}

// A gate may return long texts and many results; the response is short.
func TestWriteError_LongTexts_AreCut(t *testing.T) {
	t.Parallel()
	results := make([]aureus.ValidationResult, 500)
	for i := range results {
		results[i] = aureus.ValidationResult{Reason: strings.Repeat("ü\xff", 2000), FailureCode: aureus.Conflict, Remediation: strings.Repeat("€", 5000)}
	}
	w := httptest.NewRecorder()
	middleware.WriteError(w, httptest.NewRequest(http.MethodPost, "/", nil), gateError{aureus.GateResult{FailureCode: aureus.Conflict, ValidationResults: results}})
	require.Less(t, w.Body.Len(), 100_000)
	p := readProblem(t, http.StatusConflict, w.Header(), w.Body)
	require.Len(t, p.Errors, 21)
	require.Equal(t, "and 480 more", p.Errors[20].Detail)
	require.Equal(t, strings.Repeat("€", 341)+"…", p.Errors[0].Remediation, "cut between characters")
}

// The response has the decision id, and uses the options of the guard.
func TestWriteError_BehindAGuard_HasTheDecisionID(t *testing.T) {
	t.Parallel()
	decision := aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Effect: aureus.Allow}
	inner := aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Effect: aureus.RequireApproval, Approval: aureus.ApprovalRef{ID: approvalID}}
	protect := middleware.Enforce(saying(decision, nil), about(small), middleware.Options{Challenge: "Basic", ApprovalURL: func(id string) string { return "https://ask.example/" + id }})
	ask := func(err error) (*httptest.ResponseRecorder, problem) {
		w := httptest.NewRecorder()
		protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { middleware.WriteError(w, r, err) })).
			ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
		return w, readProblem(t, w.Code, w.Header(), w.Body)
	}
	_, p := ask(gateError{})
	require.Equal(t, decision.ID.String(), p.DecisionID)
	w, _ := ask(middleware.ErrNoIdentity)
	require.Equal(t, "Basic", w.Header().Get("WWW-Authenticate"))
	_, p = ask(&guard.Refusal{Decision: inner})
	require.Equal(t, inner.ID.String(), p.DecisionID, "the id of the decision that refused")
	require.Equal(t, "https://ask.example/"+approvalID, p.Approval.URL)
}

// describe returns this error for an invalid request.
func TestInvalid_Error_HasPointerAndReason(t *testing.T) {
	t.Parallel()
	err := error(&middleware.Invalid{Pointer: "/a/0", Reason: "must be a number"})
	require.ErrorIs(t, err, aureus.ErrInvalid)
	require.NotErrorIs(t, err, io.EOF)
	require.Equal(t, "/a/0: must be a number", err.Error())
	require.Equal(t, "is empty", (&middleware.Invalid{Reason: "is empty"}).Error())
}

// The refusal of a HEAD request has the headers of the refusal of a GET request.
func TestEnforce_HeadRequest_HasNoBody(t *testing.T) {
	server := serve(t, middleware.Enforce(saying(aureus.Decision{}, nil), about(small))(unreachable(t)))
	response, body := call(t, server.Client(), newRequest(t, http.MethodHead, server.URL, nil))
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
	require.Empty(t, body)
}

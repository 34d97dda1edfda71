package main

import (
	"bytes"
	"context"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// seatServer is an embedded control plane with the key of an operator, and the home folder
// of the person who has it.
type seatServer struct {
	server  *controlplane.Server
	service *aureus.Client
	admin   string // the key of an admin
	env     map[string]string
}

func startSeatServer(t *testing.T) *seatServer {
	t.Helper()
	db := filepath.Join(t.TempDir(), "aureus.db")
	var added, admin struct {
		Secret string `json:"secret"`
	}
	runKeys(t, "add", "--create", "--subject", "olga", "--role", "operator", "--db", db, "--output", "json").line(t, &added)
	runKeys(t, "add", "--subject", "ada", "--role", "admin", "--db", db, "--output", "json").line(t, &admin)
	server, err := controlplane.Open(t.Context(), controlplane.Config{DB: db, Tools: seatTools})
	require.NoError(t, err)
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		server.EndStreams()
		web.Close()
		require.NoError(t, server.Close())
	})
	service := server.Client()
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	home := t.TempDir()
	return &seatServer{server, service, admin.Secret, map[string]string{
		"AUREUS_URL": web.URL, "AUREUS_API_KEY": added.Secret, "HOME": home, "LOCALAPPDATA": home,
	}}
}

var seatTools = map[string]controlplane.Tool{
	"look": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
		return map[string]any{"seen": "\x1b[31m\u202Ered"}, nil
	}},
	"pay": {RiskTier: aureus.TierHigh, Run: func(context.Context, controlplane.ToolCall) (any, error) { return "paid", nil }},
}

func (s *seatServer) run(t *testing.T, args ...string) commandResult {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, func(name string) string { return s.env[name] }, &stdout, &stderr)
	if key := s.env["AUREUS_API_KEY"]; key != "" {
		require.NotContains(t, stdout.String()+stderr.String(), key)
	}
	return commandResult{code, stdout.String(), stderr.String()}
}

// on returns the same server for another person's home, or with other variables.
func (s *seatServer) on(variables map[string]string) *seatServer {
	other := *s
	other.env = maps.Clone(s.env)
	maps.Copy(other.env, variables)
	return &other
}

var transferRequest = aureus.Request{
	Principal: aureus.Principal{ID: "agent-7", Type: "agent"}, OnBehalfOf: "maria",
	Action: aureus.Action{
		ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierHigh,
		Metadata: map[string]any{"effect_class": "irreversible"},
	},
	Arguments: map[string]any{"amount": 5000, "to": map[string]any{"name": "acme", "tags": []any{"a", "b"}}},
}

// ask has the service ask for the request, and returns the id of the approval.
func (s *seatServer) ask(t *testing.T, request aureus.Request) string {
	t.Helper()
	decision, err := s.service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, decision.Effect, decision.Reason)
	return decision.Approval.ID
}

func TestApprovalsShow_PendingRequest_SaysEverything(t *testing.T) {
	s := startSeatServer(t)
	require.Equal(t, "No approval is pending.\n", s.run(t, "approvals", "list").stdout)
	id := s.ask(t, transferRequest)
	got := s.run(t, "approvals", "list")
	require.Zero(t, got.code, got.stderr)
	for _, says := range []string{
		id + "  transfer.make (Transfer money), high risk, irreversible\n", "agent-7 (agent) on behalf of maria", "amount = 5000\n", "to.tags[1] = \"b\"\n",
	} {
		require.Contains(t, got.stdout, says)
	}
	got = s.run(t, "approvals", "show", id)
	require.Zero(t, got.code, got.stderr)
	for _, says := range []string{
		`  status +pending, 59m \d\ds left to decide\n`, `  effect +irreversible\n`, `  on behalf of +maria\n`, `  risk tier +high\n`,
		`  rule +\S+ \(HIGH_NEEDS_HUMAN_APPROVAL\)\n`, `What will happen:\n  amount +5000\n  to\.name +"acme"\n`, `  digest +sha256:[0-9a-f]{64}\n`,
		`  aureus approvals approve ` + id + `\n`,
	} {
		require.Regexp(t, says, got.stdout)
	}
	var a aureus.Approval
	s.run(t, "approvals", "show", id, "--output", "json").line(t, &a)
	require.Equal(t, id, a.ID)
	var list []aureus.Approval
	s.run(t, "approvals", "list", "--principal", "agent-7", "--output", "json").line(t, &list)
	require.Len(t, list, 1)
	s.run(t, "approvals", "list", "--principal", "agent-8", "--output", "json").line(t, &list)
	require.Empty(t, list)
	got = s.run(t, "approvals", "show", "apr_none")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "aureus approvals list")
}

func TestApprovalsApprove_OnlyWhatWasDisplayed_IsDecided(t *testing.T) {
	s := startSeatServer(t)
	id := s.ask(t, transferRequest)
	got := s.run(t, "approvals", "approve", id, "--yes")
	require.Equal(t, exitNotShown, got.code)
	require.Contains(t, got.stderr, "aureus approvals show "+id)

	require.Zero(t, s.run(t, "approvals", "show", id).code)
	got = s.run(t, "approvals", "approve", id)
	require.Equal(t, exitNotConfirmed, got.code, "there is no terminal that could confirm it")
	elsewhere := t.TempDir()
	got = s.on(map[string]string{"HOME": elsewhere, "LOCALAPPDATA": elsewhere}).run(t, "approvals", "approve", id, "--yes")
	require.Equal(t, exitNotShown, got.code, "another person was not shown it")
	a, err := s.server.Operator("test").Approval(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalPending, a.Status)

	got = s.run(t, "approvals", "approve", id, "--yes", "--comment", "as agreed")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, id+" is approved. It may be used once, until ")
	got = s.run(t, "approvals", "show", id)
	require.Regexp(t, `Verdicts:\n  \S+Z  olga  approve  as agreed\n`, got.stdout)
	got = s.run(t, "approvals", "approve", id, "--yes")
	require.Equal(t, 1, got.code, "it is decided already")
	decision, err := s.service.Decide(t.Context(), transferRequest)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
}

func TestApprovalsReject_WithComment_DeniesTheRequest(t *testing.T) {
	s := startSeatServer(t)
	id := s.ask(t, transferRequest)
	require.Zero(t, s.run(t, "approvals", "list").code, "which displays it in full")
	got := s.run(t, "approvals", "reject", id, "--yes")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "--comment")
	var a aureus.Approval
	s.run(t, "approvals", "reject", id, "--yes", "--comment", "too much", "--output", "json").line(t, &a)
	require.Equal(t, aureus.ApprovalRejected, a.Status)
	require.Equal(t, "too much", a.Decisions[0].Comment)
	decision, err := s.service.Decide(t.Context(), transferRequest)
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, decision.Effect)
}

// A list that leaves out a part of a request does not count as having displayed it.
func TestApprovalsList_LongRequest_IsNotDisplayed(t *testing.T) {
	s := startSeatServer(t)
	request := transferRequest
	request.Arguments = map[string]any{"note": strings.Repeat("long ", 200)}
	long := s.ask(t, request)
	request.Arguments = map[string]any{"note": "written \u202Eback"}
	escaped := s.ask(t, request)
	got := s.run(t, "approvals", "list")
	require.Contains(t, got.stdout, "aureus approvals show "+long)
	for _, id := range []string{long, escaped} {
		require.Equal(t, exitNotShown, s.run(t, "approvals", "approve", id, "--yes").code)
		require.Zero(t, s.run(t, "approvals", "show", id).code)
		require.Zero(t, s.run(t, "approvals", "approve", id, "--yes").code)
	}
}

// A control plane that somebody else runs may send names that ours refuses.
func TestApprovalText_HostileNames_AreVisible(t *testing.T) {
	const attack = "\x1b[2J\u009b1A\u202Eevil\u200B\r\n"
	a := aureus.Approval{
		ID: attack, Status: aureus.ApprovalPending, Principal: aureus.Principal{ID: attack, Type: attack}, OnBehalfOf: attack,
		Action: aureus.Action{ID: attack, Name: attack, RiskTier: attack}, ToolName: attack, Reason: attack, Rule: attack,
		RequestedBy: attack, RequestedAt: attack, ExpiresAt: attack, Roles: []string{attack}, PolicyVersion: attack,
		Decisions: []aureus.ApprovalDecision{{By: attack, At: attack, Verdict: attack, Comment: attack}},
		Redacted:  []string{attack}, MayChange: []aureus.MayChange{{Pointer: attack, Value: attack}},
	}
	var out bytes.Buffer
	s := &seat{policyCommand: newCommand("show", nil, func(string) string { return "" }, &out, &out), now: time.Now}
	client, err := aureus.NewClient("http://127.0.0.1:1")
	require.NoError(t, err)
	s.client = client
	require.NoError(t, s.printApproval(t.Context(), &a))
	lines, _ := approvalSummary(&a, time.Now(), 0)
	require.NoError(t, client.Close())
	for _, text := range append(lines, strings.Split(out.String(), "\n")...) {
		for _, r := range text {
			require.False(t, unicode.IsControl(r) || unicode.In(r, unicode.Cf), "%q", text)
		}
	}
}

// What an agent writes reaches no terminal as an escape sequence, a mark of writing
// direction or a line of its own.
func TestApprovals_HostileTexts_AreVisible(t *testing.T) {
	s := startSeatServer(t)
	const attack = "\x1b[2J\x1b]52;c;aGk=\a\u009b1A\u202Eevil\u2066\u200B\r\n\x7f"
	request := transferRequest
	request.Action.Metadata = map[string]any{"effect_class": "x" + attack, "k" + attack: attack}
	request.Arguments = map[string]any{"memo" + attack: attack, "list": []any{attack}}
	request.HTTP = &aureus.HTTPCall{
		Method: "POST", Host: "bank.example", Path: "/transfer", ContentType: "application/json",
		Body: aureus.Body(`{"a": "\u001b[31m\u202e", "b": 1}`),
	}
	id := s.ask(t, request)
	for _, width := range []string{"", "80", "200"} {
		wide := s.on(map[string]string{"COLUMNS": width})
		for _, args := range [][]string{{"list"}, {"show", id}, {"show", id, "--output", "json"}, {"show", "apr_" + attack}} {
			got := wide.run(t, append([]string{"approvals"}, args...)...)
			for _, r := range got.stdout + got.stderr {
				require.False(t, r != '\n' && unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Bidi_Control), "%q in %q", r, got.stdout+got.stderr)
			}
			require.NotRegexp(t, `(?m)^evil`, got.stdout)
		}
	}
	got := s.run(t, "approvals", "show", id)
	require.Contains(t, got.stdout, `\u{001B}[2J`)
	require.Regexp(t, `  body\.b +1\n`, got.stdout)
}

// What a list displays completely can be approved without another look, so it must have
// everything that the digest covers.
func TestApprovalsList_ToolAndConditions_AreDisplayed(t *testing.T) {
	s := startSeatServer(t)
	request := transferRequest
	request.Tool, request.Action.AllowedTools = "swift", []string{"swift", "sepa"}
	request.Action.RequiredPermissions = []aureus.Permission{{Action: "pay", Resource: "accounts", Conditions: map[string]any{"max": 5}}}
	request.Principal.Permissions = request.Action.RequiredPermissions
	id := s.ask(t, request)
	for _, args := range [][]string{{"list"}, {"show", id}} {
		got := s.run(t, append([]string{"approvals"}, args...)...)
		require.Regexp(t, `\btool +swift\b`, got.stdout)
		require.Contains(t, got.stdout, `pay on accounts, if {"max":5}`)
	}
}

func TestApprovalsShow_ScreenOf80Columns_FitsIt(t *testing.T) {
	s := startSeatServer(t)
	request := transferRequest
	request.Arguments = map[string]any{"note": strings.Repeat("a long text ", 30), "token_free": strings.Repeat("x", 200)}
	request.Action.Metadata = map[string]any{"preview": map[string]any{"status": "passed", "change": map[string]any{"balance": []any{}}}}
	id := s.ask(t, request)
	require.Regexp(t, `What a preview of the change found:\n  preview\.change\.balance +\[\]\n  preview\.status +"passed"\n`, s.run(t, "approvals", "show", id).stdout)
	for _, width := range []int{80, 200} {
		narrow := s.on(map[string]string{"COLUMNS": map[int]string{80: "80", 200: "200"}[width]})
		for _, args := range [][]string{{"list"}, {"show", id}} {
			got := narrow.run(t, append([]string{"approvals"}, args...)...)
			require.Zero(t, got.code, got.stderr)
			for line := range strings.Lines(got.stdout) {
				require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), width, line)
			}
		}
	}
}

func TestApprovals_InvalidArguments_AreRefused(t *testing.T) {
	s := startSeatServer(t)
	for says, args := range map[string][]string{
		"argument ID is missing": {"show"}, "unknown command": {"grow"}, "flag provided but not defined": {"list", "--all"},
	} {
		got := s.run(t, append([]string{"approvals"}, args...)...)
		require.Equal(t, 2, got.code, args)
		require.Contains(t, got.stderr, says)
	}
	require.Contains(t, s.run(t, "approvals", "list", "--status", "open").stderr, "--status must be")
	require.Contains(t, s.run(t, "approvals", "list", "--limit", "0").stderr, "--limit must be")
	require.Contains(t, s.run(t, "approvals", "help").stdout, "Exit codes:")
	got := s.on(map[string]string{"AUREUS_API_KEY": ""}).run(t, "approvals", "list")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "set AUREUS_API_KEY")
}

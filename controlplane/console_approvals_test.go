package controlplane_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// wiring is a request that needs a person.
func wiring(principal, action string, arguments map[string]any) aureus.Request {
	return aureus.Request{
		Principal: aureus.Principal{ID: principal, Type: "agent"}, Arguments: arguments,
		Action: aureus.Action{ID: action, Name: "Send money", RiskTier: aureus.TierHigh},
	}
}

func askFor(t *testing.T, service *aureus.Client, request aureus.Request, terms aureus.ApprovalTerms) aureus.Approval {
	t.Helper()
	ticket, err := service.AskApproval(t.Context(), aureus.ApprovalAsk{Request: request, Terms: terms, Reason: "a wire is not undone"})
	require.NoError(t, err)
	return ticket.Approval
}

// verdict returns the fields of the form that is on the page of the approval.
func (o *operator) verdict(t *testing.T, id, verdict, comment string) url.Values {
	t.Helper()
	page := o.page(t, http.StatusOK, "/console/approvals/"+id, nil)
	digest := regexp.MustCompile(`name="digest" value="([^"]+)"`).FindStringSubmatch(page)
	require.NotNil(t, digest, page)
	return url.Values{"csrf": {csrfForm.FindStringSubmatch(page)[1]}, "digest": {digest[1]}, "verdict": {verdict}, "comment": {comment}}
}

func TestConsole_Approvals_ListsThoseThatWaitAndThoseThatDoNot(t *testing.T) {
	t.Parallel()
	srv := open(t)
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	require.Contains(t, o.page(t, http.StatusOK, "/console/", nil), "Nothing waits for you.")
	require.Contains(t, o.page(t, http.StatusOK, "/console/?show=decided", nil), "No approval has been decided")
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	var asked []aureus.Approval
	for i := range 53 {
		asked = append(asked, askFor(t, service, wiring("agent-"+strconv.Itoa(i), "wire.send", map[string]any{"amount": i}), aureus.ApprovalTerms{}))
	}
	askFor(t, client(t, srv, newKey(t, srv, controlplane.RoleService, "other")), aureus.Request{
		Principal: aureus.Principal{ID: "bot", Type: "agent"}, OnBehalfOf: "agent-3", Action: aureus.Action{ID: "disk.wipe", Name: "Wipe", RiskTier: aureus.TierCritical},
	}, aureus.ApprovalTerms{})
	row := func(i int) string { return `href="/console/approvals/` + asked[i].ID + `"` }

	page := o.page(t, http.StatusOK, "/console/", nil)
	require.Contains(t, page, row(0), "the oldest is first")
	require.NotContains(t, page, row(50))
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page)
	require.NotNil(t, next)
	page = o.page(t, http.StatusOK, "/console/"+strings.ReplaceAll(next[1], "&amp;", "&"), nil)
	require.Contains(t, page, row(50))
	require.Contains(t, page, "disk.wipe")
	require.NotContains(t, page, row(0))

	for query, want := range map[string]int{"principal=agent-7": 1, "principal=agent-3": 2, "action=disk.wipe": 1, "by=other": 1, "by=other&principal=agent-7": 0, "action=wire": 0} {
		page := o.page(t, http.StatusOK, "/console/?"+query, nil)
		require.Equal(t, want, strings.Count(page, `<th scope="row">`), query)
	}
	require.Contains(t, o.page(t, http.StatusOK, "/console/?by=nobody", nil), "No approval is like this")

	o.page(t, http.StatusSeeOther, "/console/approvals/"+asked[1].ID, o.verdict(t, asked[1].ID, "reject", "no"))
	o.page(t, http.StatusSeeOther, "/console/approvals/"+asked[2].ID, o.verdict(t, asked[2].ID, "approve", ""))
	require.NotContains(t, o.page(t, http.StatusOK, "/console/", nil), row(1))
	page = o.page(t, http.StatusOK, "/console/?show=decided", nil)
	require.Less(t, strings.Index(page, row(2)), strings.Index(page, row(1)), "the newest is first")
	page = o.page(t, http.StatusOK, "/console/?show=decided&status=rejected", nil)
	require.Contains(t, page, "rejected by olga")
	require.NotContains(t, page, row(2))
	for _, query := range []string{"show=x", "status=rejected", "show=decided&status=pending", "after=-1", "after=x", "other=1"} {
		o.page(t, http.StatusBadRequest, "/console/?"+query, nil)
	}
	stranger := logIn(t, srv, newKey(t, srv, controlplane.RoleAdmin, "eve", func(k *controlplane.Key) { k.Tenant = "other" }))
	require.Contains(t, stranger.page(t, http.StatusOK, "/console/", nil), "Nothing waits for you.")
	stranger.page(t, http.StatusNotFound, "/console/approvals/"+asked[3].ID, nil)
	stranger.page(t, http.StatusNotFound, "/console/approvals/"+asked[3].ID, func() url.Values {
		fields := o.verdict(t, asked[3].ID, "approve", "")
		fields.Set("csrf", stranger.form(t, nil).Get("csrf"))
		return fields
	}())
}

func TestConsole_Approval_ShowsWhatWillHappenAndTakesAVerdict(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	request := wiring("agent-1", "wire.send", map[string]any{
		"amount": 12.5, "to": map[string]any{"iban": "DE00", "a/b": nil}, "tags": []any{"x", true}, "password": "hunter2", "memo": "pay \u202eevil",
	})
	request.OnBehalfOf, request.Tool = "carol", "bank"
	request.HTTP = &aureus.HTTPCall{Method: "POST", Host: "bank.test", Path: "/wires", Query: "fast=1", ContentType: "application/json", Body: aureus.Body(`{"deep":{"n":1}}`), Headers: map[string][]string{"X-Kind": {"a", "b"}}}
	request.Action.AllowedTools = []string{"bank"}
	asked := askFor(t, service, request, aureus.ApprovalTerms{Quorum: 2})
	path := "/console/approvals/" + asked.ID
	olga, otto := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga")), logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "otto"))

	page := olga.page(t, http.StatusOK, path, nil)
	for _, part := range []string{
		"wire.send", "Send money", "agent-1", "carol", "svc", "a wire is not undone", "amount", "12.5", "to/iban", "DE00", "to/a~1b", "null", "tags/1", "true",
		`pay \u{202E}evil`, "hidden: it may be a secret", "/arguments/password", "POST", "bank.test", "fast=1", "deep/n", "Header X-Kind", "a, b", "0 have", "Approve wire.send",
		asked.ActionDigest.String(), "2 different people must still approve",
	} {
		require.Contains(t, page, part)
	}
	require.NotContains(t, page, "hunter2")

	request.HTTP.Body = aureus.Body(`{"amount":1,"amount":1000}`)
	twice := askFor(t, service, request, aureus.ApprovalTerms{})
	require.Contains(t, olga.page(t, http.StatusOK, "/console/approvals/"+twice.ID, nil), "{&#34;amount&#34;:1,&#34;amount&#34;:1000}", "readers differ about which of them counts")

	form := olga.verdict(t, asked.ID, "approve", "looks right")
	change := func(name, value string) url.Values {
		changed := maps.Clone(form)
		changed.Set(name, value)
		return changed
	}
	olga.page(t, http.StatusForbidden, path, change("csrf", otto.form(t, nil).Get("csrf")))
	olga.page(t, http.StatusBadRequest, path, change("verdict", "maybe"))
	olga.page(t, http.StatusBadRequest, path, change("digest", ""))
	page = olga.page(t, http.StatusConflict, path, change("digest", "sha256:"+strings.Repeat("1", 64)))
	require.Contains(t, page, "What the form showed is not what this approval is for.")
	require.Contains(t, page, "looks right", "what was entered is kept")
	require.Contains(t, olga.page(t, http.StatusUnprocessableEntity, path, change("comment", strings.Repeat("x", 4097))), "the comment must not be longer")
	require.Contains(t, olga.page(t, http.StatusOK, path, nil), "0 have", "none of these was a verdict")

	olga.page(t, http.StatusSeeOther, path, form)
	page = olga.page(t, http.StatusOK, path, nil)
	for _, part := range []string{"It still waits: one more person must approve", "1 have", "You have approved already", "looks right"} {
		require.Contains(t, page, part)
	}
	require.NotContains(t, page, `name="digest"`)
	require.Contains(t, olga.page(t, http.StatusConflict, path, form), "you have approved it before")
	otto.page(t, http.StatusSeeOther, path, otto.verdict(t, asked.ID, "approve", ""))
	require.Contains(t, otto.page(t, http.StatusOK, path, nil), "You approved it. It may be used once.")

	request.ApprovalToken, request.HTTP.Body = asked.ID, aureus.Body(`{"deep":{"n":1}}`)
	decided, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decided.Effect, decided.Reason)
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: decided.ID, Status: "success", DurationMS: 1.5}}))
	require.Contains(t, otto.page(t, http.StatusOK, path, nil), decided.ID.String())
	story := otto.page(t, http.StatusOK, "/console/why?id="+decided.ID.String(), nil)
	for _, part := range []string{"allowed", "2 of 2 people", "looks right", "What the approver saw", "to/iban", "<strong>success</strong>", "No gate reported", `href="/console/audit/`} {
		require.Contains(t, story, part)
	}
	require.Contains(t, otto.page(t, http.StatusOK, "/console/why", nil), decided.ID.String())
}

// Who may not decide is told so before, and is refused all the same.
func TestConsole_Approval_RequesterAndWeakRole_MayNotDecide(t *testing.T) {
	t.Parallel()
	srv := open(t)
	dora := newKey(t, srv, controlplane.RoleOperator, "dora")
	o, other := logIn(t, srv, dora), logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "otto"))
	for name, row := range map[string]struct {
		approval aureus.Approval
		by       *operator
		text     string
	}{
		"asked": {askFor(t, client(t, srv, dora), wiring("agent", "a", nil), aureus.ApprovalTerms{}), o, "You asked for this approval yourself"},
		"is":    {askFor(t, client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), wiring("DORA", "a", nil), aureus.ApprovalTerms{}), o, "You are the principal"},
		"role":  {askFor(t, client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), wiring("agent", "b", nil), aureus.ApprovalTerms{Roles: []string{"admin"}}), other, "only the role admin may decide"},
	} {
		page := row.by.page(t, http.StatusOK, "/console/approvals/"+row.approval.ID, nil)
		require.Contains(t, page, row.text, name)
		require.NotContains(t, page, `name="digest"`, name)
		fields := row.by.form(t, map[string]string{"digest": row.approval.ActionDigest.String(), "verdict": "approve"})
		page = row.by.page(t, http.StatusForbidden, "/console/approvals/"+row.approval.ID, fields)
		require.Contains(t, page, "Nothing was changed.", name)
	}
}

// A request that is not shown in whole cannot be decided on the page.
func TestConsole_Approval_TooLargeToShow_CannotBeDecided(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	many := make([]any, 2001)
	for i := range many {
		many[i] = i
	}
	for _, arguments := range []map[string]any{{"list": many}, {"text": strings.Repeat("<", 512<<10)}} {
		asked := askFor(t, service, wiring("agent", "a", arguments), aureus.ApprovalTerms{})
		page := o.page(t, http.StatusOK, "/console/approvals/"+asked.ID, nil)
		require.Contains(t, page, "too large to be shown here in whole")
		require.NotContains(t, page, `name="digest"`)
		o.page(t, http.StatusConflict, "/console/approvals/"+asked.ID, o.form(t, map[string]string{"digest": asked.ActionDigest.String(), "verdict": "approve"}))
	}
}

// Two requests that differ never look the same on their pages.
func TestConsole_Approval_ValuesThatLookAlike_AreToldApart(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	seen := map[string]any{}
	show := func(request aureus.Request) string {
		request.Principal.ID = "agent-" + strconv.Itoa(len(seen)) // few requests of one principal may wait
		asked := askFor(t, service, request, aureus.ApprovalTerms{})
		page := o.page(t, http.StatusOK, "/console/approvals/"+asked.ID, nil)
		what := page[strings.Index(page, `id="what"`):strings.Index(page, `id="decide"`)]
		require.NotEmpty(t, what)
		return what
	}
	for _, value := range []any{nil, "null", "", `""`, false, "false", true, "true", 12.5, "12.5", -1, "-1", []any{}, "[]", map[string]any{}, "{}", "plain", `"plain"`, "2026-12-01"} {
		page := show(wiring("agent", "a", map[string]any{"value": value}))
		require.NotContains(t, seen, page, "%#v and %#v", value, seen[page])
		seen[page] = value
	}
	for _, body := range []string{"to=M\xfcller", "to=M\xf6ller"} {
		request := wiring("agent", "a", nil)
		request.HTTP = &aureus.HTTPCall{Method: "POST", Host: "bank.test", Path: "/wires", ContentType: "text/plain; charset=iso-8859-1", Body: aureus.Body(body)}
		page := show(request)
		require.NotContains(t, seen, page)
		require.Contains(t, page, "base64")
		seen[page] = body
	}
	request := wiring("agent", "a", nil)
	request.Action.RequiredPermissions = []aureus.Permission{{Action: "pay", Resource: "accounts", Conditions: map[string]any{"max": 5}}}
	require.Contains(t, show(request), "pay on accounts, if {&#34;max&#34;:5}")
}

func TestConsole_Runs_ShowTasksAndWhatTheyWaitFor(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {RiskTier: aureus.TierHigh, Run: echo}}))
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	require.Contains(t, o.page(t, http.StatusOK, "/console/runs", nil), "No workflow has run.")
	waiting, err := srv.Client().ExecuteWorkflow(t.Context(), chain("payroll", task("first", "pay"), task("second", "pay")), allowed())
	require.NoError(t, err)
	require.Len(t, waiting.PendingApprovals, 1)

	page := o.page(t, http.StatusOK, "/console/runs?workflow=payroll&show=open", nil)
	require.Contains(t, page, "waits for a person")
	run := regexp.MustCompile(`/console/runs/([^"]+)"`).FindStringSubmatch(page)
	require.NotNil(t, run)
	page = o.page(t, http.StatusOK, "/console/runs/"+run[1], nil)
	for _, part := range []string{"payroll", "first", "second", "/console/approvals/" + waiting.PendingApprovals[0].ApprovalToken} {
		require.Contains(t, page, part)
	}
	require.NotContains(t, o.page(t, http.StatusOK, "/console/runs?by=nobody", nil), "payroll")
	o.page(t, http.StatusNotFound, "/console/runs/none", nil)
	o.page(t, http.StatusBadRequest, "/console/runs?show=x", nil)
	stranger := logIn(t, srv, newKey(t, srv, controlplane.RoleAdmin, "eve", func(k *controlplane.Key) { k.Tenant = "other" }))
	stranger.page(t, http.StatusNotFound, "/console/runs/"+run[1], nil)
	require.NotContains(t, stranger.page(t, http.StatusOK, "/console/runs", nil), "payroll")
}

func TestConsole_Audit_ListsFiltersChecksAndProves(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	var last aureus.Decision
	for range 101 {
		var err error
		last, err = service.Decide(t.Context(), aureus.Request{Principal: aureus.Principal{ID: "agent-9", Type: "agent"}, Action: aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierLow}, TraceID: "trace-1"})
		require.NoError(t, err)
	}
	page := o.page(t, http.StatusOK, "/console/audit?kind=decision", nil)
	require.Equal(t, 100, strings.Count(page, `<th scope="row">`))
	require.Contains(t, page, last.ID.String(), "the newest is first")
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page)
	require.NotNil(t, next)
	require.Equal(t, 1, strings.Count(o.page(t, http.StatusOK, "/console/audit"+strings.ReplaceAll(next[1], "&amp;", "&"), nil), `<th scope="row">`))
	for query, want := range map[string]int{"kind=key_added": 2, "decision_id=" + last.ID.String(): 1, "trace_id=other": 0, "principal=agent-9&action=look": 100, "to=2001-01-01": 0, "from=2001-01-01&kind=key_added": 2} {
		require.Equal(t, want, strings.Count(o.page(t, http.StatusOK, "/console/audit?"+query, nil), `<th scope="row">`), query)
	}
	for _, query := range []string{"decision_id=x", "from=yesterday", "before=-1", "limit=1"} {
		o.page(t, http.StatusBadRequest, "/console/audit?"+query, nil)
	}
	require.Contains(t, o.page(t, http.StatusOK, "/console/audit/verify", nil), "The log is intact.")
	entry := o.page(t, http.StatusOK, "/console/audit/2", nil)
	for _, part := range []string{"key_added", "olga", "Proof that it is in the log", "aureus/"} {
		require.Contains(t, entry, part)
	}
	for _, path := range []string{"0", "x", "99999"} {
		o.page(t, http.StatusNotFound, "/console/audit/"+path, nil)
	}
}

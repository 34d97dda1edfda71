package controlplane_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func TestConsole_Session_Ends(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(t *testing.T, srv *controlplane.Server, now *clock, o *operator, key string)
	}{
		{"after half an hour without a request", func(_ *testing.T, _ *controlplane.Server, now *clock, _ *operator, _ string) {
			now.Advance(30 * time.Minute)
		}},
		{"half a day after the login", func(t *testing.T, _ *controlplane.Server, now *clock, o *operator, _ string) {
			t.Helper()
			for range 24 {
				o.page(t, http.StatusOK, "/console/why", nil)
				now.Advance(29 * time.Minute)
			}
			o.page(t, http.StatusOK, "/console/why", nil)
			now.Advance(24 * time.Minute)
		}},
		{"by logging out", func(t *testing.T, _ *controlplane.Server, _ *clock, o *operator, _ string) {
			t.Helper()
			kept := o.cookies[0]
			o.page(t, http.StatusSeeOther, "/console/logout", o.form(t, nil))
			require.Empty(t, o.cookies, "the browser forgets the cookie")
			o.cookies = append(o.cookies, kept)
		}},
		{"when the key is revoked", func(t *testing.T, srv *controlplane.Server, _ *clock, _ *operator, key string) {
			t.Helper()
			id, _, _ := strings.Cut(key, ".")
			require.NoError(t, srv.Keys().Revoke(t.Context(), "test", id))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			srv := open(t, at(now))
			key := newKey(t, srv, controlplane.RoleOperator, "olga")
			o := logIn(t, srv, key)
			form := o.form(t, map[string]string{"kind": "all", "reason": "too late"})
			row.end(t, srv, now, o, key)
			cookies := o.cookies
			o.page(t, http.StatusUnauthorized, "/console/stops", form)
			o.cookies = cookies
			o.page(t, http.StatusUnauthorized, "/console/stops", nil)
			stops, _, err := srv.Operator("auditor").PolicyStops(t.Context(), aureus.Digest{})
			require.NoError(t, err)
			require.Empty(t, stops)
		})
	}
}

func TestConsole_ForgedForm_ChangesNothing(t *testing.T) {
	t.Parallel()
	srv := open(t)
	o, other := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga")), logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "otto"))
	stop := map[string]string{"kind": "all", "reason": "forged"}
	valid := o.form(t, stop)
	without := url.Values{"kind": {"all"}, "reason": {"forged"}}
	empty := url.Values{"kind": {"all"}, "reason": {"forged"}, "csrf": {""}}
	for name, attempt := range map[string]struct {
		fields url.Values
		header http.Header
	}{
		"no token":                {without, nil},
		"an empty token":          {empty, nil},
		"another session's token": {other.form(t, stop), nil},
		"another site":            {valid, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"another origin":          {valid, http.Header{"Origin": {"http://evil.example"}}},
		"an opaque origin":        {valid, http.Header{"Origin": {"null"}}},
	} {
		o.header = attempt.header
		o.page(t, http.StatusForbidden, "/console/stops", attempt.fields)
		o.page(t, http.StatusForbidden, "/console/logout", url.Values{"csrf": attempt.fields["csrf"]})
		o.header = nil
		require.NotContains(t, o.page(t, http.StatusOK, "/console/stops", nil), "forged", name)
	}
	for path, status := range map[string]int{"/console/stops?kind=all": http.StatusBadRequest, "/console/stops/lift": http.StatusNotFound} {
		o.page(t, status, path, nil) // a link changes nothing
	}
	o.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://localhost"}}
	o.page(t, http.StatusSeeOther, "/console/stops", valid)
	require.Contains(t, o.page(t, http.StatusOK, "/console/stops", nil), "forged")
}

func TestConsole_Stops_AreAddedAndLifted(t *testing.T) {
	t.Parallel()
	srv := open(t)
	put(t, srv, ledgerBundle(1))
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	request := aureus.Request{Principal: aureus.Principal{ID: "clerk", Type: "agent"}, Action: aureus.Action{ID: "account.read"}, Arguments: map[string]any{"id": "7"}}
	require.Contains(t, o.page(t, http.StatusOK, "/console/stops", nil), "No stop holds")

	for _, row := range []struct{ kind, name, reason, says string }{
		{"", "clerk", "x", "must be all, principal:ID or action:ID"},
		{"tenant", "clerk", "x", "must be all, principal:ID or action:ID"},
		{"principal", " ", "x", "has no ID after the colon"},
		{"action", "a*b", "x", "has a * that is not its last character"},
		{"action", "a\u202eb", "x", "must contain only visible characters"},
		{"action", "account.read", " ", "the reason is required"},
		{"all", "clerk", "x", "the name must be empty"},
	} {
		text := o.page(t, http.StatusUnprocessableEntity, "/console/stops", o.form(t, map[string]string{"kind": row.kind, "name": row.name, "reason": row.reason}))
		require.Contains(t, text, row.says)
		require.Contains(t, text, "No stop holds")
	}

	o.page(t, http.StatusSeeOther, "/console/stops", o.form(t, map[string]string{"kind": "action", "name": "account.*", "reason": "a leak\nat night"}))
	text := o.page(t, http.StatusOK, "/console/stops", nil)
	for _, part := range []string{"action:account.*", "a leak\nat night", "olga", `<option value="account.read">`, "Lift the stop"} {
		require.Contains(t, text, part)
	}
	require.Contains(t, o.page(t, http.StatusOK, "/console/policy", nil), "A stop holds")
	decision, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.ReasonStopped, decision.ReasonCode)

	o.page(t, http.StatusSeeOther, "/console/stops/lift", o.form(t, map[string]string{"scope": "action:account.*"}))
	require.Contains(t, o.page(t, http.StatusOK, "/console/stops", nil), "No stop holds")
	o.page(t, http.StatusNotFound, "/console/stops/lift", o.form(t, map[string]string{"scope": "action:account.*"}))
	decision, err = service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)

	var kinds []string
	for _, entry := range collectAudit(t, srv.Operator("auditor")) {
		if entry.Kind == vocab.AuditPolicyStopped || entry.Kind == vocab.AuditPolicyResumed {
			require.Equal(t, "olga", entry.By)
			kinds = append(kinds, entry.Kind)
		}
	}
	require.ElementsMatch(t, []string{vocab.AuditPolicyStopped, vocab.AuditPolicyResumed}, kinds)
}

// lineOf returns the number of the line in which the part first stands.
func lineOf(t *testing.T, text []byte, part string) int {
	t.Helper()
	before, _, found := bytes.Cut(text, []byte(part))
	require.True(t, found, part)
	return 1 + bytes.Count(before, []byte("\n"))
}

func TestConsole_Bundle_ShowsActionsWithTheirLines(t *testing.T) {
	t.Parallel()
	srv := open(t)
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	require.Contains(t, o.page(t, http.StatusOK, "/console/policy", nil), "aureus policy push")
	require.Contains(t, o.page(t, http.StatusOK, "/console/history", nil), "No policy bundle has been stored")

	text := ledgerBundle(1)
	stored := put(t, srv, text)
	page := o.page(t, http.StatusOK, "/console/policy", nil)
	line := func(part string) int { return lineOf(t, text, part) }
	for _, part := range []string{
		"ledger <small>version 1, in force</small>", stored.Digest.String(), "adam", "the action &#34;healthz&#34; is open",
		fmt.Sprintf(`<a href="#L%d">transfer.make</a>`, line("transfer.make:")),
		fmt.Sprintf(`<a href="#L%d">frozen</a>`, line("- {id: frozen")),
		fmt.Sprintf(`<a href="#L%d">hourly</a> <small>budget</small>`, line("- {id: hourly")),
		fmt.Sprintf(`id="L%d"`, line("budgets:")), "# the ledger,   version by version",
		"GET /accounts/{id}", "read_account", "teller", "needs read on accounts/{id}", "if a condition asks", "everybody",
		`<span class="tier medium">medium</span> <span class="tier high">high</span>`,
	} {
		require.Contains(t, page, part)
	}
	require.NotContains(t, page, fmt.Sprintf(`id="L%d"`, strings.Count(string(text), "\n")+1), "there is no line after the last line end")
}

func TestConsole_History_ComparesVersions(t *testing.T) {
	t.Parallel()
	srv := open(t)
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	for version := 1; version <= 53; version++ {
		put(t, srv, ledgerBundle(version, "limit: 5000", fmt.Sprintf("limit: %d", 5000+version)))
	}
	page := o.page(t, http.StatusOK, "/console/history", nil)
	require.Equal(t, 1, strings.Count(page, "in force"))
	require.Contains(t, page, `name="from" value="52" aria-label="from version 52" checked`)
	require.Contains(t, page, `name="to" value="53" aria-label="to version 53" checked`)
	require.NotContains(t, page, "ledger/3<")
	require.Contains(t, page, `href="?before=4"`)
	page = o.page(t, http.StatusOK, "/console/history?before=4", nil)
	require.Contains(t, page, "ledger/3<")
	require.NotContains(t, page, "in force")
	require.NotContains(t, page, "?before=")

	page = o.page(t, http.StatusOK, "/console/diff?from=1&to=53", nil)
	require.Contains(t, page, "Lines added: 2, removed: 2.")
	require.Contains(t, page, "limit: 5001")
	require.Contains(t, page, "limit: 5053")
	require.NotContains(t, page, "transfer.undo", "equal lines that are far from a difference are left out")
	require.Contains(t, o.page(t, http.StatusOK, "/console/diff?from=7&to=7", nil), "The two texts have the same lines")
	page = o.page(t, http.StatusOK, "/console/versions/9", nil)
	require.Contains(t, page, "/console/diff?from=8&amp;to=9")
	require.Contains(t, page, "limit: 5009")

	for path, status := range map[string]int{
		"/console/versions/54": http.StatusNotFound, "/console/versions/x": http.StatusNotFound, "/console/versions/-1": http.StatusNotFound,
		"/console/diff": http.StatusNotFound, "/console/diff?from=1": http.StatusNotFound, "/console/diff?from=x&to=1": http.StatusBadRequest,
		"/console/history?before=x": http.StatusBadRequest, "/console/history?limit=1": http.StatusBadRequest, "/console/history?before=1&before=2": http.StatusBadRequest,
	} {
		require.Contains(t, o.page(t, status, path, nil), "To the approvals", path)
	}
}

// The page names the lines of the version that decided, not of that in force now.
func TestConsole_Why_LinksToTheVersionThatDecided(t *testing.T) {
	t.Parallel()
	srv := open(t)
	put(t, srv, ledgerBundle(1))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	decision, err := service.Decide(t.Context(), aureus.Request{
		Principal: aureus.Principal{ID: "clerk", Type: "agent"}, Action: aureus.Action{ID: "transfer.make"}, Arguments: map[string]any{"amount": 6000, "to": "mallory"},
	})
	require.NoError(t, err)
	put(t, srv, ledgerBundle(2, "rules:\n", "rules:\n\n\n"))

	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	page := o.page(t, http.StatusOK, "/console/why?id="+decision.ID.String(), nil)
	line := func(part string) int { return lineOf(t, ledgerBundle(1), part) }
	for _, part := range []string{
		"denied", "RULE_DENIED", "the account is frozen", "ask the bank", "clerk", "svc", "was not let through, so there is no outcome",
		fmt.Sprintf(`<a href="/console/versions/1?line=%[1]d#L%[1]d">frozen</a>`, line("- {id: frozen")),
		fmt.Sprintf(`<a href="/console/versions/1?line=%[1]d#L%[1]d">hourly</a>`, line("- {id: hourly")),
		fmt.Sprintf(`<a href="/console/versions/1?line=%[1]d#L%[1]d">risk_tier</a>`, line("transfer.make:")),
	} {
		require.Contains(t, page, part)
	}
	require.Contains(t, o.page(t, http.StatusOK, "/console/why", nil), "names its decision as")
	for _, id := range []string{"x", aureus.NewDecisionID(time.Now()).String()} {
		require.Contains(t, o.page(t, http.StatusNotFound, "/console/why?id="+id, nil), "There is no decision with this id")
	}

	other := record("clerk")
	other.Bundle = "another/1" // a local decider had a bundle that is not here
	err = service.RecordDecisions(t.Context(), []aureus.DecisionRecord{other})
	require.NoError(t, err)
	page = o.page(t, http.StatusOK, "/console/why?id="+other.DecisionID.String(), nil)
	require.Contains(t, page, "its text is not here")
	require.Contains(t, page, "reported by a local decider")
	require.NotContains(t, page, "/console/versions/")
}

// What comes from agents, bundles and forms is shown as text.
func TestConsole_HostileTexts_AreEscaped(t *testing.T) {
	t.Parallel()
	const script, shown = `<script>alert(1)</script>`, `&lt;script&gt;alert(1)&lt;/script&gt;`
	srv := open(t)
	put(t, srv, ledgerBundle(1, "the account is frozen", `"`+script+`"`, "ask the bank", `"'><img src=x onerror=alert(1)>"`, "# the ledger", "# "+script, "svc:", `"`+script+`":`))
	decision, err := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")).Decide(t.Context(), aureus.Request{
		Principal: aureus.Principal{ID: script, Type: "agent"}, Action: aureus.Action{ID: "transfer.make"}, Arguments: map[string]any{"amount": 1, "to": "mallory"},
	})
	require.NoError(t, err)
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, script))
	safe := func(text string) string {
		t.Helper()
		require.NotContains(t, text, "<script>alert")
		require.NotContains(t, text, "<img")
		require.NotContains(t, text, "\u202e")
		return text
	}
	require.Contains(t, safe(o.page(t, http.StatusOK, "/console/policy", nil)), "# "+shown)
	require.Contains(t, safe(o.page(t, http.StatusOK, "/console/versions/1", nil)), "# "+shown)
	require.Equal(t, 4, strings.Count(safe(o.page(t, http.StatusOK, "/console/why?id="+decision.ID.String(), nil)), shown), "the operator, the principal, and the reason in two places")
	safe(o.page(t, http.StatusNotFound, "/console/why?id="+url.QueryEscape(`"><script>alert(1)</script>`), nil))
	safe(o.page(t, http.StatusNotFound, "/console/"+url.PathEscape(script), nil))
	safe(o.page(t, http.StatusBadRequest, "/console/why?"+url.QueryEscape(script)+"=1", nil))
	text := safe(o.page(t, http.StatusUnprocessableEntity, "/console/stops", o.form(t, map[string]string{"kind": script, "name": `"` + script, "reason": "</textarea>" + script + "\u202e"})))
	require.Contains(t, text, shown)
	o.page(t, http.StatusSeeOther, "/console/stops", o.form(t, map[string]string{"kind": "principal", "name": `"` + script, "reason": script + "\u202e"}))
	text = safe(o.page(t, http.StatusOK, "/console/stops", nil))
	require.Contains(t, text, shown+`\u{202E}`)
	o.page(t, http.StatusSeeOther, "/console/stops/lift", o.form(t, map[string]string{"scope": `principal:"` + script}))
}

package consolecheck_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const script = `<script>document.title="owned"</script><img src=x onerror="document.title='owned'">` + "\u202e\u0007"

// ask opens an approval with the text in every field that an agent can choose, and returns
// its id. Names have it without the characters that no name may have.
func ask(t *testing.T, address, key, principal, text string, quorum int) string {
	t.Helper()
	plain := strings.Map(printable, text)
	body, err := json.Marshal(map[string]any{
		"principal":    map[string]any{"id": principal, "type": "agent" + plain, "permissions": []any{}},
		"on_behalf_of": "carol" + plain,
		"action": map[string]any{
			"id": "wire.send", "name": "Send money" + plain, "risk_tier": "critical", "required_permissions": []any{map[string]any{"action": "send" + plain, "resource": "money" + plain}},
			"metadata": map[string]any{"effect_class": "irreversible" + text, "note" + text: text},
		},
		"arguments": map[string]any{"amount": 1250, "to" + text: "ACME" + text, "password": "hunter2", "lines": []any{map[string]any{"iban": "DE00" + text}}},
		"http":      map[string]any{"method": "POST", "host": "bank.test", "path": "/wires", "headers": map[string]any{"X-Kind": []any{"a" + text}}, "content_type": "application/json", "body": ""},
		"reason":    "a wire cannot be undone" + text,
		"terms":     map[string]any{"quorum": quorum},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := send(t, http.MethodPost, address+"/api/v1/policy/approval", key, "application/json", body)
	id := regexp.MustCompile(`"approval_token":"(apr_[^"]+)"`).FindStringSubmatch(answer)
	if id == nil {
		t.Fatal(answer)
	}
	return id[1]
}

// printable drops what the name of something must not have.
func printable(r rune) rune {
	if r < ' ' || r == '\u202e' {
		return -1
	}
	return r
}

func (b tab) logInWith(t *testing.T, address, key string) {
	t.Helper()
	b.do(t, chromedp.Navigate(address+"/console/login"), chromedp.SendKeys(chromedp.CSS("#key"), key), chromedp.Click(chromedp.CSS("main button")), chromedp.WaitVisible(chromedp.CSS("nav")))
}

func (b tab) shows(t *testing.T, parts ...string) {
	t.Helper()
	text := result[string](t, b, "document.body.innerText")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Fatalf("the page does not show %q:\n%s", part, text)
		}
	}
}

// An operator sees a request appear, approves it, rejects another one, and sees what came
// of both.
func TestSeat_ApproveAndReject_DecideWhatWaits(t *testing.T) {
	b := tab{browser(t)}
	address, admin := serve(t)
	b.look(t, 1280, "dark")
	b.logInWith(t, address, operatorKey)
	b.shows(t, "Nothing waits for you.")
	first := ask(t, address, admin, "pay-agent-1", "", 1)
	b.do(t, chromedp.WaitVisible(chromedp.CSS("#list tbody tr")))
	b.shows(t, "wire.send", "pay-agent-1", "on behalf of carol", "critical", "asked by adam", "left")

	b.do(t, chromedp.Click(chromedp.CSS("#list tbody th a")), chromedp.WaitVisible(chromedp.CSS("#comment")))
	b.shows(t, "What exactly will happen", "amount", "1250", "hidden: it may be a secret", "a wire cannot be undone", "irreversible", "You decide as operator")
	b.do(t, chromedp.SendKeys(chromedp.CSS("#comment"), "checked with carol"), chromedp.Click(chromedp.CSS("button[value=approve]")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	b.shows(t, "You approved it. It may be used once.", "checked with carol")
	if got := status(t, address, admin, first); got != "approved" {
		t.Fatal(got)
	}

	second := ask(t, address, admin, "pay-agent-2", "", 1)
	b.do(t, chromedp.Navigate(address+"/console/approvals/"+second), chromedp.SendKeys(chromedp.CSS("#comment"), "unknown payee"),
		chromedp.Click(chromedp.CSS("button[value=reject]")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	b.shows(t, "You rejected it.", "unknown payee")
	if got := status(t, address, admin, second); got != "rejected" {
		t.Fatal(got)
	}
	b.do(t, chromedp.Navigate(address+"/console/?show=decided"))
	b.shows(t, "approved by operator", "rejected by operator")
}

// A browser without JavaScript sees and decides the same.
func TestSeat_WithoutJavaScript_DecidesToo(t *testing.T) {
	b := tab{browser(t)}
	address, admin := serve(t)
	b.look(t, 400, "dark")
	b.do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	id := ask(t, address, admin, "pay-agent-1", "", 1)
	b.logInWith(t, address, operatorKey)
	b.do(t, chromedp.Click(chromedp.CSS("#list tbody th a")), chromedp.WaitVisible(chromedp.CSS("#comment")))
	b.shows(t, "amount", "1250", "min left")
	b.do(t, chromedp.Click(chromedp.CSS("button[value=approve]")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	b.shows(t, "You approved it.")
	if got := status(t, address, admin, id); got != "approved" {
		t.Fatal(got)
	}
}

// Two operators must approve. The page of one shows by itself what the other did.
func TestSeat_Quorum_NeedsASecondOperator(t *testing.T) {
	b := tab{browser(t)}
	address, admin, olga := serveTwo(t)
	b.look(t, 1280, "light") // opens the window
	second := b.window(t)
	b.logInWith(t, address, operatorKey)
	second.logInWith(t, address, olga)
	id := ask(t, address, admin, "pay-agent-1", "", 2)
	for _, one := range []tab{b, second} {
		one.do(t, chromedp.Navigate(address+"/console/approvals/"+id))
	}
	second.shows(t, "0 have")
	b.do(t, chromedp.Click(chromedp.CSS("button[value=approve]")), chromedp.WaitVisible(chromedp.CSS("#closed")))
	b.shows(t, "one more person must approve", "You have approved already")
	second.do(t, chromedp.WaitVisible(chromedp.CSS("#decided")))
	second.shows(t, "1 have", "operator")
	second.do(t, chromedp.Click(chromedp.CSS("button[value=approve]")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	second.shows(t, "It may be used once.")
	if got := status(t, address, admin, id); got != "approved" {
		t.Fatal(got)
	}
}

// Nothing that an agent writes becomes markup, and what cannot be seen is written as codes.
func TestSeat_HostileTexts_StayText(t *testing.T) {
	b := tab{browser(t)}
	address, admin := serve(t)
	b.logInWith(t, address, operatorKey)
	id := ask(t, address, admin, "mallory"+strings.Map(printable, script), script, 1)
	for _, path := range []string{"", "approvals/" + id, "audit", "audit/2", "audit/3", "why", "runs"} {
		b.do(t, chromedp.Navigate(address+"/console/"+path))
		if title := result[string](t, b, "document.title"); title == "owned" {
			t.Fatalf("a text was run as a script at %q", path)
		}
		if result[bool](t, b, `document.querySelector("main script, main img") !== null || /[\u202e\u0007]/.test(document.documentElement.outerHTML)`) {
			t.Fatalf("a text is markup, or invisible, at %q", path)
		}
		if path == "approvals/"+id {
			b.shows(t, `<script>document.title="owned"</script>`, `\u{202E}`)
		}
	}
}

// A form of another site decides nothing, and neither does one without the random text of
// the session.
func TestSeat_ForgedForms_DecideNothing(t *testing.T) {
	b := tab{browser(t)}
	address, admin := serve(t)
	b.logInWith(t, address, operatorKey)
	id := ask(t, address, admin, "pay-agent-1", "", 1)
	page := address + "/console/approvals/" + id
	b.do(t, chromedp.Navigate(page), chromedp.WaitVisible(chromedp.CSS("#comment")))
	digest := result[string](t, b, `document.querySelector("[name=digest]").value`)
	b.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("main [name=csrf]").value = "guessed"; void 0`), chromedp.Click(chromedp.CSS("button[value=approve]")), chromedp.WaitVisible(chromedp.CSS(".alert")))
	b.shows(t, "the form does not belong to this session: nothing was changed")

	evil := site(t, `<form method="post" action="`+page+`"><input name="digest" value="`+digest+`"><input name="verdict" value="approve"><button id="go">win</button></form>`)
	b.do(t, chromedp.Navigate(evil), chromedp.Click(chromedp.CSS("#go")), chromedp.WaitNotPresent(chromedp.CSS("#go")))
	b.do(t, chromedp.Navigate(page), chromedp.WaitVisible(chromedp.CSS("#comment")))
	if got := status(t, address, admin, id); got != "pending" {
		t.Fatal(got)
	}
}

// A workflow that waits for a person goes on when the person has approved, and its page
// shows that by itself.
func TestSeat_Workflow_GoesOnAfterTheApproval(t *testing.T) {
	b := tab{browser(t)}
	address, admin := serve(t)
	b.logInWith(t, address, operatorKey)
	runPayroll(t, address, admin)
	b.do(t, chromedp.Navigate(address+"/console/runs"), chromedp.Click(chromedp.CSS("#list tbody th a")), chromedp.WaitVisible(chromedp.CSS("#tasks")))
	b.shows(t, "waits for a person", "payroll")
	run := result[string](t, b, "location.href")
	b.do(t, chromedp.Click(chromedp.CSS("#run .wait a")), chromedp.WaitVisible(chromedp.CSS("#comment")), chromedp.Click(chromedp.CSS("button[value=approve]")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	b.do(t, chromedp.Navigate(run), chromedp.WaitVisible(chromedp.CSS(".state .status.success")))
	b.shows(t, "100 %")
}

// status returns the status of an approval.
func status(t *testing.T, address, key, id string) string {
	t.Helper()
	var approval struct{ Status string }
	if err := json.NewDecoder(bytes.NewReader([]byte(send(t, http.MethodGet, address+"/api/v1/policy/approvals/"+id, key, "application/json", nil)))).Decode(&approval); err != nil {
		t.Fatal(err)
	}
	return approval.Status
}

// site serves a page of another site, and returns its address.
func site(t *testing.T, page string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// runPayroll starts a workflow that waits for a person.
func runPayroll(t *testing.T, address, admin string) {
	t.Helper()
	send(t, http.MethodPost, address+"/api/v1/workflows/execute", admin, "application/json", []byte(`{"workflow":{"id":"payroll","name":"Payroll",
		"tasks":[{"id":"pay","name":"Pay","type":"action","risk_tier":"high","required_permissions":[{"action":"write","resource":"ledger"}]},{"id":"tell","name":"Tell","type":"action"}],
		"dependencies":{"tell":["pay"]}},"context":{"principal_id":"agent-7","principal_permissions":[{"action":"write","resource":"ledger"}]}}`))
}

// decideOne asks for an action of the high tier, approves it, uses the approval, reports
// the outcome, and returns the id of the decision.
func decideOne(t *testing.T, address, admin string) string {
	t.Helper()
	request := func(token string) []byte {
		return []byte(`{"principal": {"id": "pay-agent-1", "type": "agent", "permissions": []}, "trace_id": "0af7651916cd43dd8448eb211c80319c",
			"action": {"id": "wire.send", "name": "Send money", "risk_tier": "high", "required_permissions": []}, "approval_token": "` + token + `",
			"arguments": {"to": "acme", "amount": 9000, "currency": "EUR"}, "current_state": "idle", "audit_log": []}`)
	}
	var decision struct {
		DecisionID    string `json:"decision_id"`
		ApprovalToken string `json:"approval_token"`
		ActionDigest  string `json:"action_digest"`
		Allowed       bool   `json:"allowed"`
	}
	evaluate := func(token string) {
		t.Helper()
		answer := send(t, http.MethodPost, address+"/api/v1/policy/evaluate", admin, "application/json", request(token))
		if err := json.Unmarshal([]byte(answer), &decision); err != nil {
			t.Fatal(err, answer)
		}
	}
	evaluate("")
	token := decision.ApprovalToken
	send(t, http.MethodPost, address+"/api/v1/policy/approvals/"+token+"/approve", operatorKey, "application/json", []byte(`{"action_digest":"`+decision.ActionDigest+`","comment":"checked with the desk"}`))
	evaluate(token)
	if !decision.Allowed {
		t.Fatalf("the approval could not be used: %+v", decision)
	}
	send(t, http.MethodPost, address+"/api/v1/audit/outcomes/batch", admin, "application/json", []byte(`[{"decision_id":"`+decision.DecisionID+`","status":"success","duration_ms":12.5}]`))
	return decision.DecisionID
}

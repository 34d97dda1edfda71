package consolecheck_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// contrasts returns a line for each text whose contrast with the colour behind it is below
// 4.5, as WCAG 2.2 (1.4.3) asks for; 3 is enough for large text.
const contrasts = `(() => {
	const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 }; };
	const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
	const light = (c) => 0.2126 * part(c.r) + 0.7152 * part(c.g) + 0.0722 * part(c.b);
	const behind = (element) => {
		for (let e = element; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.a === 1) return c;
			if (c.a !== 0) return null;
		}
		return { r: 255, g: 255, b: 255, a: 1 };
	};
	const found = [];
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let texts = 0;
	while (walker.nextNode()) {
		const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
		if (!text || !element.checkVisibility()) continue;
		texts++;
		const style = getComputedStyle(element), back = behind(element);
		const a = light(parse(style.color)), b = back ? light(back) : NaN;
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
		if (!(ratio >= (large ? 3 : 4.5))) found.push(ratio.toFixed(2) + " " + text.slice(0, 60));
	}
	if (texts < 5) found.push("only " + texts + " texts were found");
	return found.join("\n");
})()`

// overflows names the elements that make the page wider than the window.
const overflows = `(() => {
	const wide = document.documentElement.scrollWidth > innerWidth;
	const found = wide ? [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.parentElement.closest(".scroll")).map((e) => e.tagName + "." + e.className) : [];
	return wide ? "wider than the window: " + found.join(" ") : "";
})()`

// marks names what a page must have for those who do not see it, or do not use a mouse.
const marks = `(() => {
	const found = [];
	if (!document.documentElement.lang) found.push("no lang");
	if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
	let level = 0;
	for (const h of document.querySelectorAll("h1, h2, h3, h4")) { const n = Number(h.tagName[1]); if (n > level + 1) found.push("a heading is left out before " + h.textContent); level = n; }
	for (const e of document.querySelectorAll("input:not([type=hidden]), textarea, select")) if (!e.labels.length && !e.ariaLabel) found.push("no label: " + e.name);
	for (const e of document.querySelectorAll("a[href], button, summary")) if (!e.textContent.trim() && !e.ariaLabel) found.push("no name: " + e.outerHTML);
	for (const e of document.querySelectorAll("td")) if (!e.dataset.label) found.push("a cell without the name of its column: " + e.textContent);
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	if (new Set(ids).size !== ids.length) found.push("an id occurs twice");
	for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby]"))
		for (const id of (e.getAttribute("aria-describedby") || e.getAttribute("aria-labelledby")).split(" ")) if (!document.getElementById(id)) found.push("no element with the id " + id);
	if (document.title.length < 8 || document.querySelector("main").id !== "main") found.push("no title, or no main");
	return found.join("\n");
})()`

// A page is readable in both colour schemes and at the widths of a telephone, a window and
// a screen. With CONSOLE_SCREENSHOTS=FOLDER the test stores how each of them looks.
func TestConsole_Looks_AreReadable(t *testing.T) {
	ctx := browser(t)
	b := tab{ctx}
	address, admin := serve(t)
	b.look(t, 800, "light")
	b.do(t, chromedp.Navigate(address+"/console/"))
	check := func(t *testing.T, name string) {
		t.Helper()
		for what, expression := range map[string]string{"contrast": contrasts, "overflow": overflows, "marks": marks} {
			if found := result[string](t, b, expression); found != "" {
				t.Errorf("%s, %s:\n%s", name, what, found)
			}
		}
		if folder := os.Getenv("CONSOLE_SCREENSHOTS"); folder != "" {
			shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	looks := func(t *testing.T, pages map[string]string) {
		t.Helper()
		for name, path := range pages {
			b.do(t, chromedp.Navigate(address+"/console/"+path))
			for _, width := range []int64{400, 800, 1400} {
				for _, scheme := range []string{"light", "dark"} {
					b.look(t, width, scheme)
					check(t, fmt.Sprintf("%s-%d-%s", name, width, scheme))
				}
			}
		}
	}
	looks(t, map[string]string{"login": "login"})
	b.do(t, chromedp.Navigate(address+"/console/login"))
	b.logIn(t)
	looks(t, map[string]string{"empty-approvals": "", "empty-decided": "?show=decided", "empty-runs": "runs", "empty-audit": "audit?kind=none", "empty-bundle": "policy", "empty-history": "history", "empty-stops": "stops", "empty-why": "why"})

	// The bundle says something else about these two.
	used := decideOne(t, address, admin)
	runPayroll(t, address, admin)
	text, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	send(t, http.MethodPut, address+"/api/v1/policy/bundle", admin, "application/yaml", text)
	version := regexp.MustCompile(`(?m)^version: *(\d+)`).FindSubmatch(text)
	if version == nil {
		t.Fatal("the bundle has no version")
	}
	next := strings.Replace(string(text), string(version[0]), "version: 9000", 1)
	next = strings.Replace(next, "no payments to this country", "no payments to this country, ask the "+strings.Repeat("very", 60)+" long desk", 1)
	send(t, http.MethodPut, address+"/api/v1/policy/bundle", admin, "application/yaml", []byte(next))
	send(t, http.MethodPut, address+"/api/v1/policy/stops/principal:"+strings.Repeat("agent-", 40), admin, "application/json", []byte(`{"reason":"`+strings.Repeat("the key leaked ", 40)+`"}`))
	id := regexp.MustCompile(`"decision_id":"([^"]+)"`).FindStringSubmatch(evaluate(t, address))
	looks(t, map[string]string{
		"bundle": "policy", "history": "history", "stops": "stops", "why": "why?id=" + id[1], "unknown-why": "why?id=x", "session": "session",
		"version": "versions/9000", "diff": "diff?from=" + string(version[1]) + "&to=9000", "missing": "versions/77", "no-action": "policy?q=nothing-has-this",
	})
	hostile := strings.Repeat("a very long text ", 40) + strings.Repeat("W", 300)
	waits, decided := ask(t, address, admin, "pay-agent-1", "", 2), ask(t, address, admin, "pay-agent-2", hostile[:200], 1)
	b.do(t, chromedp.Navigate(address+"/console/approvals/"+decided), chromedp.SendKeys(chromedp.CSS("#comment"), hostile[:300]), chromedp.Click(chromedp.CSS("button[value=reject]")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	b.do(t, chromedp.Navigate(address+"/console/runs"))
	run := result[string](t, b, `document.querySelector("#list tbody th a").getAttribute("href").slice(9)`)
	looks(t, map[string]string{
		"approvals": "", "decided": "?show=decided", "filtered": "?principal=nobody", "approval": "approvals/" + waits, "rejected": "approvals/" + decided, "no-approval": "approvals/x",
		"runs": "runs", "run": run, "decisions": "why", "story": "why?id=" + used, "audit": "audit", "entry": "audit/2", "verify": "audit/verify",
	})
	b.look(t, 400, "dark")
	b.do(t, chromedp.Navigate(address+"/console/stops"), chromedp.Click(chromedp.CSS("summary")), chromedp.Click(chromedp.CSS("input[value=all]")),
		chromedp.SendKeys(chromedp.CSS("#name"), "x"), chromedp.SendKeys(chromedp.CSS("#reason"), "x"), chromedp.Click(chromedp.CSS("form.panel button")), chromedp.WaitVisible(chromedp.CSS("#problem")))
	check(t, "stops-refused")
}

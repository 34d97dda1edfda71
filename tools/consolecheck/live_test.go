package consolecheck_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// focused describes the element that has the keyboard's focus, after a mark if it cannot
// be seen that it has.
const focused = `(() => {
	const e = document.activeElement, style = getComputedStyle(e);
	const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && e.getBoundingClientRect().left >= 0;
	return (seen ? "" : "not seen: ") + (e.name || e.textContent.trim() || e.tagName);
})()`

func TestConsole_Keyboard_ReachesEverythingInOrder(t *testing.T) {
	b := tab{browser(t)}
	address, _ := serve(t)
	b.look(t, 1280, "light")
	b.do(t, chromedp.Navigate(address+"/console/login"))
	b.logIn(t)
	b.do(t, chromedp.Navigate(address+"/console/stops"))
	for _, want := range []string{"Skip to the content", "Aureus", "Approvals", "Decisions", "Runs", "Audit log", "Stops", "Policy", "History", "operator", "Log out", "kind", "name", "reason", "Stop"} {
		b.do(t, chromedp.KeyEvent("\t"))
		if got := result[string](t, b, focused); got != want {
			t.Fatalf("the focus is on %q instead of %q", got, want)
		}
	}
}

// What somebody else does appears on the page by itself, and the page says when its
// session has ended.
func TestConsole_Live_ShowsChangesOfOthers(t *testing.T) {
	b := tab{browser(t)}
	address, admin := serve(t)
	b.look(t, 1280, "light")
	b.do(t, chromedp.Navigate(address+"/console/login"))
	b.logIn(t)
	b.do(t, chromedp.Navigate(address+"/console/stops"), chromedp.SendKeys(chromedp.CSS("#reason"), "half a sent"))
	send(t, http.MethodPut, address+"/api/v1/policy/stops/principal:mallory", admin, "application/json", []byte(`{"reason":"the key leaked"}`))
	b.do(t, chromedp.WaitVisible(chromedp.CSS("#holding summary")))
	if text := result[string](t, b, `document.querySelector("#holding").textContent`); !strings.Contains(text, "principal:mallory") {
		t.Fatalf("the part shows %q", text)
	}
	if text := result[string](t, b, `document.querySelector("#reason").value`); text != "half a sent" {
		t.Fatalf("what was being entered is now %q", text)
	}
	b.do(t, chromedp.Click(chromedp.CSS("#holding summary")))
	send(t, http.MethodDelete, address+"/api/v1/policy/stops/principal:mallory", admin, "application/json", nil)
	b.do(t, chromedp.WaitVisible(chromedp.CSS("#live a")))
	if !result[bool](t, b, `document.querySelector("#holding details").open && document.querySelector("#live").textContent.includes("This page has changed")`) {
		t.Fatal("a part in which the reader is busy was replaced, or the page does not say that it has changed")
	}
}

// A link on another site, such as a chat, leads to the page although the cookie is not
// sent to other sites.
func TestConsole_LinkFromAnotherSite_LeadsToThePage(t *testing.T) {
	b := tab{browser(t)}
	address, _ := serve(t)
	b.look(t, 1280, "light")
	b.do(t, chromedp.Navigate(address+"/console/login"))
	b.logIn(t)
	chat := site(t, `<a id="link" href="`+address+`/console/stops">look</a>`)
	b.do(t, chromedp.Navigate(chat), chromedp.Click(chromedp.CSS("#link")), chromedp.WaitVisible(chromedp.CSS("#holding")))
}

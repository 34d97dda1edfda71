package consolecheck_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestConsole_Browser_ShowsThePolicyAndStopsAnAgent(t *testing.T) {
	for _, mode := range []struct {
		name   string
		script bool
		width  int64
		scheme string
	}{{"with JavaScript, light and wide", true, 1280, "light"}, {"without JavaScript, dark and narrow", false, 400, "dark"}} {
		t.Run(mode.name, func(t *testing.T) {
			ctx := browser(t)
			address, admin := serve(t)
			text, err := os.ReadFile(bundle)
			if err != nil {
				t.Fatal(err)
			}
			send(t, http.MethodPut, address+"/api/v1/policy/bundle", admin, "application/yaml", text)
			do := func(steps ...chromedp.Action[chromedp.Void]) {
				t.Helper()
				if err := chromedp.Do(ctx, steps...); err != nil {
					t.Fatal(err)
				}
			}
			shows := func(parts ...string) {
				t.Helper()
				page, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range parts {
					if !strings.Contains(page, part) {
						t.Fatalf("the page does not show %q:\n%s", part, page)
					}
				}
				overflow, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
				if err != nil {
					t.Fatal(err)
				}
				if overflow {
					t.Fatalf("the page is wider than the window:\n%s", page)
				}
			}
			do(chromedp.EmulateViewport(mode.width, 900), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: mode.scheme}},
				})
				if err == nil && !mode.script {
					_, err = chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
				}
				return err
			}))
			do(chromedp.Navigate(address+"/console/policy"), chromedp.SendKeys(chromedp.CSS("#key"), operatorKey), chromedp.Click(chromedp.CSS("main button")),
				chromedp.WaitVisible(chromedp.CSS("nav")))
			shows("bank-transfers", "transfer.make", "daily-amount")

			do(chromedp.Navigate(address+"/console/stops"), chromedp.Click(chromedp.CSS("input[value=action]")),
				chromedp.SendKeys(chromedp.CSS("#name"), "transfer.*"), chromedp.SendKeys(chromedp.CSS("#reason"), "<b>leak</b>"),
				chromedp.Click(chromedp.CSS("form[action='/console/stops'] button")), chromedp.WaitVisible(chromedp.CSS("summary")))
			shows("action:transfer.*", "<b>leak</b>", "operator")
			stopped := evaluate(t, address)
			if !strings.Contains(stopped, `"STOPPED"`) {
				t.Fatal(stopped)
			}
			do(chromedp.Click(chromedp.CSS("summary")), chromedp.Click(chromedp.CSS("details button")), chromedp.WaitNotPresent(chromedp.CSS("summary")))
			shows("No stop holds")

			id := regexp.MustCompile(`"decision_id":"([^"]+)"`).FindStringSubmatch(evaluate(t, address))
			do(chromedp.Navigate(address+"/console/why"), chromedp.SendKeys(chromedp.CSS("#id"), id[1]), chromedp.Click(chromedp.CSS("main button")),
				chromedp.WaitVisible(chromedp.CSS("#reasons")))
			shows("denied", "no payments to this country")
			do(chromedp.Click(chromedp.CSS("tbody th a")), chromedp.WaitVisible(chromedp.CSS(".line:target")))
			line, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(".line:target")))
			if err != nil || !strings.Contains(line, "id: sanctioned") {
				t.Fatalf("the link leads to %q, %v", line, err)
			}
			do(chromedp.Click(chromedp.CSS(".who button")), chromedp.WaitVisible(chromedp.CSS("#key")))
			do(chromedp.Navigate(address+"/console/stops"), chromedp.WaitVisible(chromedp.CSS("#key")))
			shows("Log in")
		})
	}
}

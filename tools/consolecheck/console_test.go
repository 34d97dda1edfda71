package consolecheck_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const (
	operatorKey = "operator-of-the-browser-test"
	bundle      = "../../examples/policies/bank-transfers.yaml"
)

// browser returns a context in which chromedp uses a browser that ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("this test needs a browser: install Debian's package chromium, as .ci/run does")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true))
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(options...))
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// serve starts the control plane in development mode and returns its address and the key
// of an admin.
func serve(t *testing.T) (address, admin string) {
	t.Helper()
	folder := t.TempDir()
	binary, db := filepath.Join(folder, "aureus"), filepath.Join(folder, "a.db")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/aureus")
	build.Dir = "../../controlplane"
	build.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building aureus: %v\n%s", err, out)
	}
	made, err := exec.CommandContext(t.Context(), binary, "keys", "add", "--create", "--db", db, "--subject", "adam", "--role", "admin", "--output", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`"secret": ?"([^"]+)"`).FindSubmatch(made)
	if secret == nil {
		t.Fatal("aureus keys add printed no secret")
	}
	server := exec.CommandContext(t.Context(), binary, "serve", "--dev", "--addr", "127.0.0.1:0", "--db", db)
	server.Env = append(os.Environ(), "AUREUS_OPERATOR_KEY="+operatorKey)
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if _, found, ok := strings.Cut(lines.Text(), "listens on "); ok {
			return found, string(secret[1])
		}
	}
	t.Fatal("aureus serve did not say where it listens")
	return "", ""
}

func send(t *testing.T, method, address, key, contentType string, body []byte) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := (&http.Client{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %v %s", method, address, response.StatusCode, err, text)
	}
	return string(text)
}

// evaluate asks for a payment and returns the response.
func evaluate(t *testing.T, address string) string {
	t.Helper()
	return send(t, http.MethodPost, address+"/api/v1/policy/evaluate", "", "application/json", []byte(`{
		"principal": {"id": "pay-agent-1", "type": "agent", "permissions": [], "claims": {"accounts": ["ops"]}},
		"action": {"id": "transfer.make", "name": "", "risk_tier": "low", "required_permissions": []},
		"arguments": {"account": "ops", "payee": "acme", "country": "KP", "amount": 10, "currency": "EUR"},
		"current_state": "idle", "audit_log": []}`))
}

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
			do(chromedp.Navigate(address+"/console/"), chromedp.SendKeys(chromedp.CSS("#key"), operatorKey), chromedp.Click(chromedp.CSS("main button")),
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

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
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// serve starts the control plane in development mode and returns its address and the key
// of the admin adam.
func serve(t *testing.T) (address, admin string) {
	t.Helper()
	address, admin, _ = serveTwo(t)
	return address, admin
}

// serveTwo is like serve, and also returns the key of the operator olga.
func serveTwo(t *testing.T) (address, admin, olga string) {
	t.Helper()
	folder := t.TempDir()
	binary, db := filepath.Join(folder, "aureus"), filepath.Join(folder, "a.db")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/aureus")
	build.Dir = "../../controlplane"
	build.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building aureus: %v\n%s", err, out)
	}
	key := func(more ...string) string {
		made, err := exec.CommandContext(t.Context(), binary, append([]string{"keys", "add", "--db", db, "--output", "json"}, more...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		secret := regexp.MustCompile(`"secret": ?"([^"]+)"`).FindSubmatch(made)
		if secret == nil {
			t.Fatal("aureus keys add printed no secret")
		}
		return string(secret[1])
	}
	admin, olga = key("--create", "--subject", "adam", "--role", "admin", "--speaks-for", "*"), key("--subject", "olga", "--role", "operator")
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
			return found, admin, olga
		}
	}
	t.Fatal("aureus serve did not say where it listens")
	return "", "", ""
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

// tab is a window of the browser.
type tab struct {
	ctx context.Context
}

func (b tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// window returns another window, which shares no cookies with this one.
func (b tab) window(t *testing.T) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return tab{ctx}
}

// result returns the value of a JavaScript expression in the window.
func result[T any](t *testing.T, b tab, expression string) T {
	t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// look sets the width of the window in pixels and the colour scheme.
func (b tab) look(t *testing.T, width int64, scheme string) {
	t.Helper()
	b.do(t, chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// logIn logs in with the operator's key at the login page that is shown.
func (b tab) logIn(t *testing.T) {
	t.Helper()
	b.do(t, chromedp.SendKeys(chromedp.CSS("#key"), operatorKey), chromedp.Click(chromedp.CSS("main button")), chromedp.WaitVisible(chromedp.CSS("nav")))
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

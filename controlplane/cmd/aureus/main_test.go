package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(hostFolder); folder != "" {
		if err := host(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// built is the command, built once for all tests that run it.
var built = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "aureus-cmd-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "aureus")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", &exec.ExitError{Stderr: output}
	}
	return binary, nil
})

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := built()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, env...)
	cmd.Dir = t.TempDir()
	return cmd
}

// running is a server that a test started.
type running struct {
	cmd    *exec.Cmd
	url    string
	said   []string // what it printed before the address
	stderr *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

var address = regexp.MustCompile(`listens on (https?://\S+)`)

// start runs the command and waits until it says where it listens.
func start(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	return await(t, command(t, env, args...))
}

// await runs a command that is a server, and waits until it says where it
// listens.
func await(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{cmd: cmd, stderr: &lockedBuffer{}}
	stdout, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	r.cmd.Stderr = r.stderr
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() { // where the test has not ended it
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			r.url = found[1]
			return r
		}
		r.said = append(r.said, lines.Text())
	}
	t.Fatalf("it never listened: %s", r.stderr.String())
	return nil
}

func (r *running) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(signal))
	require.NoError(t, r.cmd.Wait(), r.stderr.String())
}

var secretForm = regexp.MustCompile(`key_[0-9a-v]{26}\.[0-9a-v]{52}`)

func clientFor(t *testing.T, url, key string, options ...aureus.Option) *aureus.Client {
	t.Helper()
	c, err := aureus.NewClient(url, append(options, aureus.WithAPIKey(key))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

var harmless = aureus.Request{
	Principal: aureus.Principal{ID: "agent-1", Type: "agent"},
	Action:    aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierLow},
}

func TestServeFromTheFirstStartOn(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	first := start(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", db)
	admin := secretForm.FindString(strings.Join(first.said, "\n"))
	require.NotEmpty(t, admin, first.said)
	decision, err := clientFor(t, first.url, admin).Decide(t.Context(), harmless)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
	_, err = clientFor(t, first.url, "").Decide(t.Context(), harmless)
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)

	second := command(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", db)
	output, err := second.CombinedOutput()
	require.Error(t, err, "one file, one process")
	require.Contains(t, string(output), "another process has the store open")

	output, err = command(t, []string{"AUREUS_DB=" + db}, "keys", "add", "--subject", "ledger", "--role", "service", "--speaks-for", "agent-1,agent-2").CombinedOutput()
	require.NoError(t, err, string(output))
	service := secretForm.FindString(string(output))
	decision, err = clientFor(t, first.url, service).Decide(t.Context(), harmless)
	require.NoError(t, err, "a key made beside the running server is good at once")
	require.Equal(t, aureus.Allow, decision.Effect)

	output, err = command(t, nil, "keys", "list", "--db", db).CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(output), "agent-1,agent-2")
	require.NotContains(t, string(output), service)
	id, _, _ := strings.Cut(service, ".")
	output, err = command(t, nil, "keys", "revoke", "--db", db, id).CombinedOutput()
	require.NoError(t, err, string(output))
	_, err = clientFor(t, first.url, service).Decide(t.Context(), harmless)
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)

	first.stop(t, syscall.SIGTERM)
	require.NotContains(t, first.stderr.String(), admin, "no secret in the log")
	require.Contains(t, first.stderr.String(), "shutting down")

	again := start(t, []string{"AUREUS_ADDR=127.0.0.1:0", "AUREUS_DB=" + db, "AUREUS_LOG_FORMAT=json"}, "serve")
	require.Empty(t, secretForm.FindString(strings.Join(again.said, "\n")), "the key is shown once")
	verification, err := clientFor(t, again.url, admin).VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verification.Valid)
	require.EqualValues(t, 5, verification.Entries)
	again.stop(t, os.Interrupt)
	require.True(t, strings.HasPrefix(again.stderr.String(), "{"), again.stderr.String())
}

func TestServeInDevelopmentMode(t *testing.T) {
	r := start(t, nil, "serve", "--dev", "--addr", "localhost:0")
	decision, err := clientFor(t, r.url, "").Decide(t.Context(), harmless)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
	operator := regexp.MustCompile(`operator-\S+`).FindString(strings.Join(r.said, "\n"))
	require.NotEmpty(t, operator)
	_, err = clientFor(t, r.url, operator).VerifyAudit(t.Context())
	require.NoError(t, err)
	_, err = clientFor(t, r.url, "").VerifyAudit(t.Context())
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)
	r.stop(t, syscall.SIGTERM)
	require.NotContains(t, r.stderr.String(), operator)

	const own = "operator-of-my-own"
	r = start(t, []string{"AUREUS_OPERATOR_KEY=" + own, "AUREUS_DEV=true", "AUREUS_ADDR=127.0.0.1:0"}, "serve")
	require.NotContains(t, strings.Join(r.said, "\n"), own)
	_, err = clientFor(t, r.url, own).VerifyAudit(t.Context())
	require.NoError(t, err)
	r.stop(t, syscall.SIGTERM)
}

func TestServeWithTLS(t *testing.T) {
	folder := t.TempDir()
	cert, key, pool := selfSigned(t, folder)
	r := start(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", filepath.Join(folder, "aureus.db"), "--tls-cert", cert, "--tls-key", key)
	require.True(t, strings.HasPrefix(r.url, "https://"))
	admin := secretForm.FindString(strings.Join(r.said, "\n"))
	decision, err := clientFor(t, r.url, admin, aureus.WithTLS(&tls.Config{RootCAs: pool})).Decide(t.Context(), harmless)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
	r.stop(t, syscall.SIGTERM)
}

func selfSigned(t *testing.T, folder string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return certFile, keyFile, pool
}

// TestWhatIsRefused runs the command in the process: none of these listens.
func TestWhatIsRefused(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	for name, row := range map[string]struct {
		args []string
		env  map[string]string
		code int
		says string
	}{
		"nothing":                          {nil, nil, 2, "Usage:"},
		"an unknown command":               {[]string{"server"}, nil, 2, `no command "server"`},
		"an unknown flag":                  {[]string{"serve", "--port", "1"}, nil, 2, "-port"},
		"a stray argument":                 {[]string{"serve", "now"}, nil, 2, "argument"},
		"every address without TLS":        {[]string{"serve", "--addr", ":0"}, nil, 1, "--tls-cert"},
		"any IPv4 without TLS":             {[]string{"serve", "--addr", "0.0.0.0:0"}, nil, 1, "--tls-cert"},
		"another address without TLS":      {[]string{"serve", "--addr", "192.0.2.1:0"}, nil, 1, "--tls-cert"},
		"dev beyond the loopback":          {[]string{"serve", "--dev", "--addr", "0.0.0.0:0", "--insecure-http"}, nil, 1, "loopback only"},
		"dev from the environment":         {[]string{"serve", "--addr", ":0"}, map[string]string{"AUREUS_DEV": "1"}, 1, "loopback only"},
		"a certificate without its key":    {[]string{"serve", "--tls-cert", "x"}, nil, 1, "come together"},
		"a certificate that is not there":  {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--tls-cert", "x", "--tls-key", "y"}, nil, 1, "--tls-cert"},
		"an address that is none":          {[]string{"serve", "--addr", "here"}, nil, 1, "--addr"},
		"no address":                       {[]string{"serve", "--addr", ""}, nil, 1, "--addr must name"},
		"no time to keep things":           {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--retention", "0s"}, nil, 1, "--retention"},
		"a volatile value that is none":    {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--volatile", "attempt"}, nil, 1, "/volatile/0"},
		"no tenant for a key":              {[]string{"keys", "add", "--create", "--subject", "s", "--role", "operator", "--tenant", "", "--db", db}, nil, 1, "--tenant"},
		"an unknown verb of keys":          {[]string{"keys", "show"}, nil, 2, `no command "keys show"`},
		"an unknown verb of audit":         {[]string{"audit", "check"}, nil, 2, `no command "audit check"`},
		"an audit log of no tenant":        {[]string{"audit", "verify", "--tenant", "", "--db", db}, nil, 1, "--tenant"},
		"entries without their head":       {[]string{"audit", "verify", "--entries", "3", "--db", db}, nil, 1, "come together"},
		"no entries without a head":        {[]string{"audit", "verify", "--entries", "0", "--db", db}, nil, 1, "come together"},
		"a head that is empty":             {[]string{"audit", "verify", "--entries", "3", "--head", "", "--db", db}, nil, 1, "--head"},
		"fewer entries than none":          {[]string{"audit", "verify", "--entries", "-1", "--db", db}, nil, 1, "--entries"},
		"a head of no entries":             {[]string{"audit", "verify", "--entries", "0", "--head", "00", "--db", db}, nil, 1, "--entries"},
		"an archive of what will come":     {[]string{"audit", "archive", "--to", "t", "--key", "k", "--before", "-1h", "--db", db}, nil, 1, "--before"},
		"no database":                      {[]string{"serve", "--db", ""}, nil, 1, "--db"},
		"a log format that is none":        {[]string{"serve", "--log-format", "xml"}, nil, 1, "--log-format"},
		"no time to decide":                {[]string{"serve", "--approval-lifetime", "0s"}, nil, 1, "--approval-lifetime"},
		"no time to use":                   {[]string{"serve"}, map[string]string{"AUREUS_APPROVAL_USE_TIME": "-1m"}, 1, "--approval-use-time"},
		"a time that is none":              {[]string{"serve", "--approval-use-time", "soon"}, nil, 2, "approval-use-time"},
		"too much time to decide":          {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--approval-lifetime", "9000h"}, nil, 1, "ApprovalLifetime"},
		"a variable that is none":          {[]string{"serve"}, map[string]string{"AUREUS_DEV": "perhaps"}, 1, "AUREUS_DEV"},
		"a short operator's key":           {[]string{"serve", "--dev", "--addr", "127.0.0.1:0", "--db", db}, map[string]string{"AUREUS_OPERATOR_KEY": "short"}, 1, "OperatorKey"},
		"keys without a verb":              {[]string{"keys"}, nil, 2, "aureus keys add"},
		"keys of a file that is not there": {[]string{"keys", "list", "--db", db + ".no"}, nil, 1, "there is no database " + db + ".no"},
		"a key for one":                    {[]string{"keys", "add", "--subject", "s", "--role", "service", "--db", db + ".no"}, nil, 1, "--create"},
		"a key of one":                     {[]string{"keys", "revoke", "key_1", "--db", db + ".no"}, nil, 1, "there is no database " + db + ".no"},
		"a backup of one":                  {[]string{"backup", "--to", db + ".copies", "--db", db + ".no"}, nil, 1, "there is no database " + db + ".no"},
		"one that the environment names":   {[]string{"keys", "list"}, map[string]string{"AUREUS_DB": db + ".no"}, 1, "there is no database " + db + ".no"},
		"a key without a role":             {[]string{"keys", "add", "--create", "--subject", "s", "--db", db}, nil, 1, "role"},
		"revoking nothing":                 {[]string{"keys", "revoke", "--db", db}, nil, 2, "argument"},
		"revoking two":                     {[]string{"keys", "revoke", "a", "--db", db, "b"}, nil, 2, "argument"},
		"an unknown flag at the end":       {[]string{"keys", "revoke", "a", "--bd", db}, nil, 2, "-bd"},
		"a flag that is an argument":       {[]string{"keys", "revoke", "--db", db + ".no", "--", "--db"}, nil, 1, "there is no database"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), row.args, func(name string) string { return row.env[name] }, &out, &out)
			require.Equal(t, row.code, code, out.String())
			require.Contains(t, out.String(), row.says)
			require.NotContains(t, out.String(), "short\n")
		})
	}
	left, err := filepath.Glob(db + ".*")
	require.NoError(t, err)
	require.Empty(t, left, "nothing was made by mistake")
}

// TestFlagsStandAnywhere revokes a key with its id before, between and behind
// the flags.
func TestFlagsStandAnywhere(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	aureus := func(args ...string) string {
		var out bytes.Buffer
		require.Zero(t, run(t.Context(), args, func(string) string { return "" }, &out, &out), out.String())
		return out.String()
	}
	for _, args := range [][]string{{"ID", "--db", db}, {"--db", db, "ID"}, {"--db", db, "--", "ID"}, {"--db", "elsewhere", "ID", "--db", db}} {
		added := aureus("keys", "add", "--create", "--subject", "s", "--role", "service", "--db", db)
		id, _, _ := strings.Cut(secretForm.FindString(added), ".")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "ID", id)
		}
		require.Equal(t, id+" is revoked.\n", aureus(append([]string{"keys", "revoke"}, args...)...))
	}
	require.NotContains(t, aureus("keys", "list", "--db", db), "  -\n", "all are")
}

// TestTheHelpCanBeTried gives the requests of the help to a server in
// development mode.
func TestTheHelpCanBeTried(t *testing.T) {
	requests := regexp.MustCompile(`(?s)curl -s http://127.0.0.1:3000(\S+)(?: -H '([^':]+): ([^']+)' -d '([^']+)')?\n`).FindAllStringSubmatch(usage, -1)
	require.Len(t, requests, strings.Count(usage, "curl"))
	require.Equal(t, strings.Count(usage, " -d "), strings.Count(usage, "-H 'Content-Type: application/json'"))
	server := start(t, nil, "serve", "--dev", "--addr", "127.0.0.1:0")
	for _, q := range requests {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+q[1], nil)
		require.NoError(t, err)
		if q[4] != "" {
			request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, server.url+q[1], strings.NewReader(q[4]))
			require.NoError(t, err)
			request.Header.Set(q[2], q[3])
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, "%s: %s", q[0], body)
	}
	server.stop(t, syscall.SIGTERM)
}

func TestWhatIsPrinted(t *testing.T) {
	for _, row := range []struct {
		args []string
		says string
	}{
		{[]string{"version"}, "aureus " + aureus.Version},
		{[]string{"help"}, "aureus serve"},
		{[]string{"serve", "-h"}, "-tls-cert"},
		{[]string{"keys", "help"}, "revoke"},
	} {
		var out bytes.Buffer
		require.Zero(t, run(t.Context(), row.args, func(string) string { return "" }, &out, &out), row.args)
		require.Contains(t, out.String(), row.says)
	}
}

// TestAFlagWinsOverTheEnvironment serves in the process, on what the flag says.
func TestAFlagWinsOverTheEnvironment(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	db := filepath.Join(t.TempDir(), "aureus.db")
	env := map[string]string{"AUREUS_ADDR": "0.0.0.0:0", "AUREUS_DB": "/no/such/folder/x.db"}
	reader, writer := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--db", db}, func(name string) string { return env[name] }, writer, io.Discard)
	}()
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "listens on") {
			break
		}
	}
	url := address.FindStringSubmatch(lines.Text())[1]
	response, err := http.Get(url + "/healthz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	require.Equal(t, http.StatusOK, response.StatusCode)
	cancel()
	require.Zero(t, <-done)
	require.FileExists(t, db)
	require.FileExists(t, filepath.Join(filepath.Dir(db), "aureus.telemetry.db"))
}

func TestARequestsHeaderHasABound(t *testing.T) {
	server := start(t, nil, "serve", "--dev", "--addr", "127.0.0.1:0")
	for size, status := range map[int]int{32 << 10: http.StatusOK, 128 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+"/healthz", nil)
		require.NoError(t, err)
		request.Header.Set("X-Long", strings.Repeat("x", size))
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode, size)
	}
	http.DefaultClient.CloseIdleConnections()
	server.stop(t, syscall.SIGTERM)
}

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func TestServe_FirstStart_CreatesAnAdminKey(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	first := start(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", db)
	admin := secretPattern.FindString(strings.Join(first.output, "\n"))
	require.NotEmpty(t, admin, first.output)
	decision, err := clientFor(t, first.url, admin).Decide(t.Context(), lowRiskRequest)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
	_, err = clientFor(t, first.url, "").Decide(t.Context(), lowRiskRequest)
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)

	second := command(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", db)
	output, err := second.CombinedOutput()
	require.Error(t, err, "a file can be open in one process only")
	require.Contains(t, string(output), "another process has the store open")

	output, err = command(t, []string{"AUREUS_DB=" + db}, "keys", "add", "--subject", "ledger", "--role", "service", "--speaks-for", "agent-1,agent-2").CombinedOutput()
	require.NoError(t, err, string(output))
	service := secretPattern.FindString(string(output))
	decision, err = clientFor(t, first.url, service).Decide(t.Context(), lowRiskRequest)
	require.NoError(t, err, "a key added while the server runs can be used at once")
	require.Equal(t, aureus.Allow, decision.Effect)

	output, err = command(t, nil, "keys", "list", "--db", db).CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(output), "agent-1,agent-2")
	require.NotContains(t, string(output), service)
	id, _, _ := strings.Cut(service, ".")
	output, err = command(t, nil, "keys", "revoke", "--db", db, id).CombinedOutput()
	require.NoError(t, err, string(output))
	_, err = clientFor(t, first.url, service).Decide(t.Context(), lowRiskRequest)
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)

	first.stop(t, syscall.SIGTERM)
	require.NotContains(t, first.stderr.String(), admin, "no secret in the log")
	require.Contains(t, first.stderr.String(), "shutting down")

	again := start(t, []string{"AUREUS_ADDR=127.0.0.1:0", "AUREUS_DB=" + db, "AUREUS_LOG_FORMAT=json"}, "serve")
	require.Empty(t, secretPattern.FindString(strings.Join(again.output, "\n")), "the key is printed only once")
	verification, err := clientFor(t, again.url, admin).VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verification.Valid)
	require.EqualValues(t, 5, verification.Entries)
	again.stop(t, os.Interrupt)
	require.True(t, strings.HasPrefix(again.stderr.String(), "{"), again.stderr.String())
}

func TestServe_DevelopmentMode_NeedsNoServiceKey(t *testing.T) {
	r := start(t, nil, "serve", "--dev", "--addr", "localhost:0")
	decision, err := clientFor(t, r.url, "").Decide(t.Context(), lowRiskRequest)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
	operator := regexp.MustCompile(`operator-\S+`).FindString(strings.Join(r.output, "\n"))
	require.NotEmpty(t, operator)
	_, err = clientFor(t, r.url, operator).VerifyAudit(t.Context())
	require.NoError(t, err)
	_, err = clientFor(t, r.url, "").VerifyAudit(t.Context())
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)
	r.stop(t, syscall.SIGTERM)
	require.NotContains(t, r.stderr.String(), operator)

	const own = "operator-of-my-own"
	r = start(t, []string{"AUREUS_OPERATOR_KEY=" + own, "AUREUS_DEV=true", "AUREUS_ADDR=127.0.0.1:0"}, "serve")
	require.NotContains(t, strings.Join(r.output, "\n"), own)
	_, err = clientFor(t, r.url, own).VerifyAudit(t.Context())
	require.NoError(t, err)
	r.stop(t, syscall.SIGTERM)
}

func TestServe_TLS_ServesHTTPS(t *testing.T) {
	folder := t.TempDir()
	cert, key, pool := selfSigned(t, folder)
	r := start(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", filepath.Join(folder, "aureus.db"), "--tls-cert", cert, "--tls-key", key)
	require.True(t, strings.HasPrefix(r.url, "https://"))
	admin := secretPattern.FindString(strings.Join(r.output, "\n"))
	decision, err := clientFor(t, r.url, admin, aureus.WithTLS(&tls.Config{RootCAs: pool})).Decide(t.Context(), lowRiskRequest)
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

// The server runs in the test process, with the values of the flags.
func TestServe_FlagAndVariable_FlagTakesPrecedence(t *testing.T) {
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
	url := listenAddress.FindStringSubmatch(lines.Text())[1]
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

func TestServe_LongHeader_IsRefused(t *testing.T) {
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

func TestServe_Policy_PutsTheBundleOfTheFileInForce(t *testing.T) {
	key := filepath.Join(t.TempDir(), "policy.key")
	require.Zero(t, runPolicy(t, "keygen", "--to", key).code)
	file := edited(t)
	db := filepath.Join(t.TempDir(), "aureus.db")
	failed := command(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", db, "--policy", file, "--policy-key", key+".pub")
	output, err := failed.CombinedOutput()
	require.Error(t, err, "the bundle is not signed")
	require.Contains(t, string(output), "sign")

	require.Zero(t, runPolicy(t, "sign", file, "--key", key).code)
	server := startPolicyServer(t, "--policy", file, "--policy-key", key+".pub")
	got := server.run(t, "pull")
	require.Zero(t, got.code, got.stderr)
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got.stdout)
	server.stop(t, syscall.SIGTERM)
}

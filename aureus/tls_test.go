package aureus_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// A server with a private certificate authority that requires a client certificate.
func TestWithTLS_ClientCertificate_IsSent(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ledger"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	ours, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	known := x509.NewCertPool()
	known.AddCert(ours)

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		jsonResponse(200, `{"who":"`+q.TLS.PeerCertificates[0].Subject.CommonName+`","http":`+string(rune('0'+q.ProtoMajor))+`}`)(w, q)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known, MinVersion: tls.VersionTLS13}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it logs every connection that ends early
	server.StartTLS()
	defer server.Close()
	authority := x509.NewCertPool()
	authority.AddCert(server.Certificate())

	var response struct {
		Who  string `json:"who"`
		HTTP int    `json:"http"`
	}
	with := newClient(t, server.URL, aureus.WithTLS(&tls.Config{
		RootCAs: authority, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS13,
	}))
	require.NoError(t, with.Call(t.Context(), "GET", "/x", nil, &response))
	require.Equal(t, "ledger", response.Who)
	require.Equal(t, 2, response.HTTP, "HTTP/2 is used with TLS")

	without := newClient(t, server.URL, aureus.WithTLS(&tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS13}))
	require.ErrorIs(t, without.Call(t.Context(), "GET", "/x", nil, &response), aureus.ErrUnavailable)
}

func TestCall_ServerWithoutTLS_ErrorSaysSo(t *testing.T) {
	server := httptest.NewServer(jsonResponse(200, `{}`))
	t.Cleanup(server.Close)
	client := newClient(t, "https"+strings.TrimPrefix(server.URL, "http"))
	_, err := client.CheckPermission(t.Context(), aureus.Principal{}, aureus.Action{})
	require.ErrorIs(t, err, aureus.ErrUnavailable)
	require.ErrorIs(t, err, http.ErrSchemeMismatch)
}

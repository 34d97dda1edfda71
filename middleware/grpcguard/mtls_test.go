package grpcguard_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/peer"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/middleware/grpcguard"
)

// certificate returns a certificate that signs itself, for both sides of a connection.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// The principal is the name in the certificate of the client.
func TestEnforce_ClientCertificate_IsThePrincipal(t *testing.T) {
	serverCertificate, serverPool := certificate(t, "ledger.example")
	clientCertificate, clientPool := certificate(t, "agent-7")
	byCertificate := func(ctx context.Context) (aureus.Principal, error) {
		from, ok := peer.FromContext(ctx)
		if !ok {
			return aureus.Principal{}, middleware.ErrNoIdentity
		}
		info, ok := from.AuthInfo.(credentials.TLSInfo)
		if !ok || len(info.State.VerifiedChains) == 0 {
			return aureus.Principal{}, middleware.ErrNoIdentity
		}
		return aureus.Principal{ID: info.State.VerifiedChains[0][0].Subject.CommonName}, nil
	}
	var principals []string
	decider := guard.DeciderFunc(func(_ context.Context, r aureus.Request) (aureus.Decision, error) {
		principals = append(principals, r.Principal.ID)
		return aureus.Decision{Effect: aureus.Allow}, nil
	})
	options := append(grpcguard.Enforce(decider, byCertificate, bound(aureus.TierLow)), grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{serverCertificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clientPool,
	})))
	conn := serve(t, &ledger{}, options, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{clientCertificate}, RootCAs: serverPool, ServerName: "ledger.example",
	})))
	for _, call := range methods {
		require.NoError(t, call(t.Context(), testpb.NewTestServiceClient(conn)))
	}
	require.Equal(t, []string{"agent-7", "agent-7", "agent-7", "agent-7"}, principals)
}

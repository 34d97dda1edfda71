package webhooks

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// senderTo returns a sender to the address, whose host is allowed.
func senderTo(t *testing.T, address string) *Sender {
	t.Helper()
	h := hookAt(address, "*")
	c := Config{Hooks: []Hook{h}, Hosts: []string{h.host()}}
	require.NoError(t, c.Check())
	s, err := NewSender(c, h)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestSend_AcceptedMessage_CarriesAValidSignature(t *testing.T) {
	t.Parallel()
	var event aureus.WebhookEvent
	var problem error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		event, problem = aureus.VerifyWebhook(testSecret, r.Header, body, noon)
	}))
	defer server.Close()
	id, err := senderTo(t, server.URL+"/hook").SendTest(t.Context(), noon)
	require.NoError(t, err)
	require.NoError(t, problem)
	require.Equal(t, aureus.WebhookEvent{ID: id, Type: "test", Timestamp: aureus.TimestampOf(noon), Tenant: "default"}, event)
}

func TestSend_RefusingReceiver_IsAFailureWithoutSecrets(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	defer target.Close()
	answers := map[string]http.HandlerFunc{
		"/redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
		},
		"/error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "S3CRET", http.StatusInternalServerError) },
		"/gone":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
		"/busy": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"/header": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("S3CRET", maxHeader)) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) }))
	defer server.Close()
	for path := range answers {
		err := senderTo(t, server.URL+path+"?token=T0KEN").Send(t.Context(), storage.Message{ID: "m", Body: "{}"}, noon)
		var failure *Failure
		require.ErrorAs(t, err, &failure, path)
		require.NotContains(t, err.Error(), "T0KEN")
		require.NotContains(t, err.Error(), "S3CRET")
		require.Equal(t, path == "/gone", failure.Gone)
		require.Equal(t, path == "/busy", failure.RetryAfter == maxRetryAfter)
	}
	require.False(t, followed.Load(), "redirects are not followed")
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	err := senderTo(t, closed.URL+"/T0KEN").Send(t.Context(), storage.Message{ID: "m", Body: "{}"}, noon)
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "T0KEN")
}

func TestSend_AnswerThatIsNotHTTP_IsAFailureWithoutItsText(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"another protocol":    "S3CRET-2.0\r\n",
		"a header":            "HTTP/1.1 200 OK\r\nS3CRET\r\n\r\n",
		"a header with space": "HTTP/1.1 200 OK\r\n S3CRET: x\r\n\r\n",
		"a status":            "HTTP/1.1 S3CRET OK\r\n\r\n",
		"a version":           "HTTP/S3CRET 200 OK\r\n\r\n",
		"a length":            "HTTP/1.1 200 OK\r\nContent-Length: S3CRET\r\n\r\n",
		"an encoding":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: S3CRET\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				connection, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_, _ = io.WriteString(connection, sent)
					_ = connection.Close()
				}
			}))
			defer server.Close()
			var failure *Failure
			err := senderTo(t, server.URL).Send(t.Context(), storage.Message{ID: "m", Body: "{}"}, noon)
			require.ErrorAs(t, err, &failure)
			require.NotContains(t, err.Error(), "S3CRET")
			require.Regexp(t, `^127\.0\.0\.1: \S`, err.Error())
		})
	}
}

// A receiver that never ends its body, or never answers, holds a request for a limited
// time and with limited memory.
func TestSend_HangingAndEndlessReceivers_AreLeft(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hanging" {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		for chunk := bytes.Repeat([]byte("x"), 32<<10); ; {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	defer server.Close()
	require.NoError(t, senderTo(t, server.URL+"/endless").Send(t.Context(), storage.Message{ID: "m", Body: "{}"}, noon), "its status counts")
	hanging := senderTo(t, server.URL+"/hanging")
	hanging.client.Timeout = 50 * time.Millisecond
	require.ErrorContains(t, hanging.Send(t.Context(), storage.Message{ID: "m", Body: "{}"}, noon), "no answer")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, hanging.Send(ctx, storage.Message{ID: "m", Body: "{}"}, noon))
}

// The addresses of a name are checked when the connection is made, whatever the name
// resolved to before.
func TestSend_NameThatResolvesToAPrivateAddress_IsNotConnectedTo(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer server.Close()
	to, err := url.Parse(server.URL)
	require.NoError(t, err)
	send := func(host string, allowed []string, answers ...net.IP) error {
		h := hookAt("https://"+host+":"+to.Port()+"/T0KEN", "*")
		s, err := NewSender(Config{Hosts: allowed}, h)
		require.NoError(t, err)
		defer s.Close()
		if len(answers) > 0 {
			s.dialer.Resolver = resolver(t, answers...)
		}
		return s.Send(t.Context(), storage.Message{ID: "m", Body: "{}"}, noon)
	}
	for _, address := range []string{"127.0.0.1", "10.0.0.7", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"} {
		err := send("rebound.example.com", nil, net.ParseIP(address))
		require.ErrorContains(t, err, "webhooks are not sent to "+address)
		require.NotContains(t, err.Error(), "T0KEN")
	}
	require.ErrorContains(t, send("rebound.example.com", nil, net.ParseIP("127.0.0.1"), net.ParseIP("127.0.0.2")), "webhooks are not sent to")
	require.ErrorContains(t, send("localhost", nil), "webhooks are not sent to")
	require.ErrorContains(t, send("metadata.example.com", []string{"metadata.example.com"}, net.ParseIP("169.254.169.254")), "webhooks are not sent to")
	// A host that is allowed is connected to: here it does not speak TLS.
	require.ErrorContains(t, send("allowed.example.com", []string{"allowed.example.com"}, net.ParseIP("127.0.0.1")), "HTTP response to HTTPS client")
	require.False(t, reached.Load())
}

// resolver returns a resolver that asks a name server of the test, which answers every
// question with the addresses.
func resolver(t *testing.T, addresses ...net.IP) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = server.Close(); <-done })
	go func() {
		defer close(done)
		for buffer := make([]byte, 512); ; {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(dnsAnswer(buffer[:n], addresses), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// dnsAnswer answers a DNS question of type A with the addresses, and others with none.
func dnsAnswer(question []byte, addresses []net.IP) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5
	answer := append([]byte(nil), question[:end]...)
	answer[2], answer[3] = 0x81, 0x80 // a response, recursion available
	clear(answer[6:12])
	if binary.BigEndian.Uint16(question[end-4:]) != 1 {
		return answer
	}
	binary.BigEndian.PutUint16(answer[6:], uint16(len(addresses)))
	for _, address := range addresses {
		answer = append(answer, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		answer = append(answer, address.To4()...)
	}
	return answer
}

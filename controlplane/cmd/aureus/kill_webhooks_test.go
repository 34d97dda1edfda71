package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hookReceiver notes the events that it accepts, by message. While blocked, it lets
// requests wait; while refusing, it refuses them.
type hookReceiver struct {
	mu       sync.Mutex
	accepted map[string][]string // the approvals, by id of the message
	status   int
	entered  chan string // the approval of each request
	release  chan struct{}
}

func (r *hookReceiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	event, err := aureus.VerifyWebhook(webhookSecret, request.Header, body, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	if r.status == http.StatusOK {
		r.accepted[event.ID] = append(r.accepted[event.ID], event.Data.ApprovalID)
	}
	status, release := r.status, r.release
	r.mu.Unlock()
	r.entered <- event.Data.ApprovalID
	if release != nil {
		<-release
	}
	w.WriteHeader(status)
}

func (r *hookReceiver) set(status int, release chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.release = status, release
}

// webhookFile writes a webhook file for the address and returns its path.
func webhookFile(t *testing.T, address string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	require.NoError(t, os.WriteFile(file, []byte("allow_hosts: [127.0.0.1]\nwebhooks:\n- name: chat\n  url: "+address+"/T0KEN\n  secret: "+webhookSecret+"\n  kinds: [approval.asked]\n"), 0o600))
	return file
}

// A server that is killed between the commit of an approval and the delivery of its
// message delivers it after the restart. One that is killed between the delivery and
// noting it delivers it again, with the same id.
func TestWebhooks_ServerKilled_LosesNoMessage(t *testing.T) {
	receiver := &hookReceiver{accepted: map[string][]string{}, status: http.StatusServiceUnavailable, entered: make(chan string, 1000)}
	address := httptest.NewServer(receiver)
	defer address.Close()
	db, file := filepath.Join(t.TempDir(), "aureus.db"), webhookFile(t, address.URL)
	serve := func() *serverProcess {
		return start(t, nil, "serve", "--db", db, "--dev", "--addr", "127.0.0.1:0", "--webhook-file", file)
	}
	kill := func(r *serverProcess) {
		require.NoError(t, r.cmd.Process.Kill()) // SIGKILL
		require.Error(t, r.cmd.Wait())
		require.NotContains(t, r.stderr.String(), "T0KEN")
	}
	ask := func(r *serverProcess, action string) string {
		request := aureus.Request{Principal: aureus.Principal{ID: "agent-1", Type: "agent"}, Action: aureus.Action{ID: action, Name: action, RiskTier: aureus.TierHigh}}
		decision, err := clientFor(t, r.url, "").Decide(context.Background(), request)
		require.NoError(t, err)
		require.NotNil(t, decision.Approval)
		return decision.Approval.ID
	}

	server := serve()
	first := ask(server, "wipe")
	require.Equal(t, first, <-receiver.entered, "it is refused")
	kill(server)
	require.Empty(t, receiver.accepted)

	release := make(chan struct{})
	receiver.set(http.StatusOK, release)
	server = serve()
	require.Equal(t, first, <-receiver.entered, "the next process sends it")
	kill(server) // it has not got the answer
	close(release)

	receiver.set(http.StatusOK, nil)
	server = serve()
	require.Equal(t, first, <-receiver.entered, "it is sent again")
	second := ask(server, "wipe-2")
	require.Equal(t, second, <-receiver.entered)
	kill(server)
	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	require.Len(t, receiver.accepted, 2, "one id for each message, whatever happened")
	for _, approvals := range receiver.accepted {
		switch approvals[0] {
		case first:
			require.Equal(t, []string{first, first}, approvals)
		case second:
			require.Equal(t, []string{second}, approvals)
		}
	}
}

func TestWebhooks_Commands_ListRetryAndTest(t *testing.T) {
	receiver := &hookReceiver{accepted: map[string][]string{}, status: http.StatusGone, entered: make(chan string, 1000)}
	address := httptest.NewServer(receiver)
	defer address.Close()
	db, file := filepath.Join(t.TempDir(), "aureus.db"), webhookFile(t, address.URL)
	server := start(t, nil, "serve", "--db", db, "--dev", "--addr", "127.0.0.1:0", "--webhook-file", file)
	request := aureus.Request{Principal: aureus.Principal{ID: "agent-1", Type: "agent"}, Action: aureus.Action{ID: "wipe", Name: "Wipe", RiskTier: aureus.TierHigh}}
	_, err := clientFor(t, server.url, "").Decide(t.Context(), request)
	require.NoError(t, err)
	<-receiver.entered
	require.Eventually(t, func() bool { // the server notes the answer
		output, err := command(t, nil, "webhooks", "list", "--db", db, "--output", "json").CombinedOutput()
		return err == nil && bytes.Contains(output, []byte(`"dead":true`))
	}, time.Minute, 10*time.Millisecond)
	output, err := command(t, nil, "webhooks", "list", "--db", db).CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "127.0.0.1 answered with the status 410")
	require.NotContains(t, string(output), "T0KEN")

	output, err = command(t, nil, "webhooks", "test", "chat", "--webhook-file", file).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "was not accepted: 127.0.0.1 answered with the status 410")
	<-receiver.entered
	receiver.set(http.StatusOK, nil)
	output, err = command(t, nil, "webhooks", "test", "chat", "--webhook-file", file).CombinedOutput()
	require.NoError(t, err, string(output))
	<-receiver.entered

	output, err = command(t, nil, "webhooks", "retry", "--all", "--db", db).CombinedOutput()
	require.NoError(t, err, string(output))
	require.Equal(t, "1 messages wait again.\n", string(output))
	<-receiver.entered
	output, err = command(t, nil, "webhooks", "retry", "msg_unknown", "--db", db).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "no message has the id")
	output, err = command(t, nil, "webhooks", "retry", "--db", db).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "MESSAGE_ID is missing")
	output, err = command(t, nil, "webhooks", "test", "other", "--webhook-file", file).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "has no webhook with the name")
}

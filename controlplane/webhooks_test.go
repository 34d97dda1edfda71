package controlplane_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hookReceiver receives webhooks: it checks them and passes their events on.
type hookReceiver struct {
	*httptest.Server

	events chan aureus.WebhookEvent
	bodies chan string
	now    func() time.Time
}

func newHookReceiver(t *testing.T, now func() time.Time) *hookReceiver {
	t.Helper()
	r := &hookReceiver{events: make(chan aureus.WebhookEvent, 100), bodies: make(chan string, 100), now: now}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return // the server has ended
		}
		event, err := aureus.VerifyWebhook(webhookSecret, request.Header, body, r.now())
		if err != nil {
			t.Errorf("a webhook is wrong: %v", err)
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		r.events <- event
		r.bodies <- string(body)
	}))
	t.Cleanup(r.Close)
	return r
}

// next waits for the next event, which must have that type, and returns it.
func (r *hookReceiver) next(t *testing.T, kind string) aureus.WebhookEvent {
	t.Helper()
	event := <-r.events
	require.Equal(t, kind, event.Type, "%+v", event)
	require.NotContains(t, <-r.bodies, "acct-2", "no argument of a request leaves the server")
	return event
}

func toReceiver(r *hookReceiver, hooks ...controlplane.Webhook) func(*controlplane.Config) {
	return func(c *controlplane.Config) {
		for i := range hooks {
			hooks[i].URL, hooks[i].Secret = r.URL+"/hook", webhookSecret
		}
		c.Webhooks, c.WebhookHosts, c.PublicURL = hooks, []string{"127.0.0.1"}, "https://aureus.example.com"
	}
}

func TestWebhooks_LifeOfAnApproval_IsAnnounced(t *testing.T) {
	t.Parallel()
	clock := newClock()
	r := newHookReceiver(t, clock.Now)
	srv := open(t, at(clock), toReceiver(r, controlplane.Webhook{Name: "chat", Kinds: []string{"approval.*", "stop.*"}}))
	service, olga := srv.Client(), srv.Operator("olga")
	approval := ask(t, service, 500)
	asked := r.next(t, "approval.asked")
	require.Equal(t, aureus.WebhookEventData{
		Sequence: asked.Data.Sequence, EntryHash: asked.Data.EntryHash, ApprovalID: approval.ID, DecisionID: asked.Data.DecisionID, ActionDigest: approval.ActionDigest,
		Principal: "agent-1", Action: "transfer", RiskTier: aureus.TierHigh, ReasonCode: approval.ReasonCode, Rule: approval.Rule,
		By: "in-process", ExpiresAt: approval.ExpiresAt, URL: "https://aureus.example.com/console/approvals/" + approval.ID,
	}, asked.Data)
	require.Equal(t, "default", asked.Tenant)
	require.False(t, asked.Data.DecisionID.IsZero())
	entries := collectAudit(t, srv.Operator("auditor"))
	require.Equal(t, entries[asked.Data.Sequence-1].Hash, asked.Data.EntryHash)

	_, err := olga.Approve(t.Context(), approval.ID, approval.ActionDigest, "acct-2 is known")
	require.NoError(t, err)
	decided := r.next(t, "approval.decided")
	require.Equal(t, "approve", decided.Data.Verdict)
	require.Equal(t, "olga", decided.Data.By)
	require.NotEqual(t, asked.ID, decided.ID)
	require.NoError(t, service.ConsumeApproval(t.Context(), approval.ID, use(approval)))
	require.Equal(t, approval.ID, r.next(t, "approval.used").Data.ApprovalID)

	second := ask(t, service, 501)
	r.next(t, "approval.asked")
	_, err = olga.Reject(t.Context(), second.ID, second.ActionDigest, "no")
	require.NoError(t, err)
	require.Equal(t, "reject", r.next(t, "approval.decided").Data.Verdict)

	ask(t, service, 502)
	r.next(t, "approval.asked")
	clock.Advance(2 * time.Hour)
	third := ask(t, service, 503) // which also ends those whose time is over
	kinds := map[string]int{}
	for range 2 { // both at once, in any order
		event := <-r.events
		kinds[event.Type]++
		<-r.bodies
	}
	require.Equal(t, map[string]int{"approval.asked": 1, "approval.expired": 1}, kinds, third.ID)

	_, err = olga.StopPolicy(t.Context(), "all", "an incident")
	require.NoError(t, err)
	stop := r.next(t, "stop.added")
	require.Equal(t, "all", stop.Data.Scope)
	require.Equal(t, "an incident", stop.Data.Reason)
	_, err = olga.ResumePolicy(t.Context(), "all")
	require.NoError(t, err)
	r.next(t, "stop.removed")
}

func TestWebhooks_Checkpoint_IsAnnounced(t *testing.T) {
	t.Parallel()
	r := newHookReceiver(t, time.Now)
	srv := open(t, toReceiver(r, controlplane.Webhook{Name: "auditor", Kinds: []string{"checkpoint"}}))
	ask(t, srv.Client(), 500)
	event := r.next(t, "checkpoint")
	require.Positive(t, event.Data.Size)
	require.Contains(t, event.Data.Checkpoint, fmt.Sprintf("\n%d\n", event.Data.Size))
}

// A webhook gets the events of its tenant only.
func TestWebhooks_OtherTenant_IsNotAnnounced(t *testing.T) {
	t.Parallel()
	own, other := newHookReceiver(t, time.Now), newHookReceiver(t, time.Now)
	srv := open(t, toReceiver(own, controlplane.Webhook{Name: "own", Kinds: []string{"*"}}), func(c *controlplane.Config) {
		c.Webhooks[0].Kinds = []string{"approval.*"}
		c.Webhooks = append(c.Webhooks, controlplane.Webhook{Name: "acme", URL: other.URL, Secret: webhookSecret, Kinds: []string{"approval.*"}, Tenant: "acme"})
	})
	acme := client(t, srv, newKey(t, srv, controlplane.RoleService, "ledger", func(k *controlplane.Key) { k.Tenant = "acme" }))
	foreign := ask(t, acme, 500)
	event := other.next(t, "approval.asked")
	require.Equal(t, "acme", event.Tenant)
	require.Equal(t, foreign.ID, event.Data.ApprovalID)
	mine := ask(t, srv.Client(), 500)
	require.Equal(t, mine.ID, own.next(t, "approval.asked").Data.ApprovalID, "the first event that the webhook gets")
	require.Empty(t, other.events)
}

// A receiver that is down or slow fails no request, and gets the message later, from
// another process too.
func TestWebhooks_ReceiverDownUntilTheNextStart_GetsTheMessage(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	address := down.Listener.Addr().String()
	down.Close()
	clock := newClock()
	db := filepath.Join(t.TempDir(), "aureus.db")
	hook := controlplane.Webhook{Name: "chat", URL: "http://" + address, Secret: webhookSecret, Kinds: []string{"approval.asked"}}
	configured := func(c *controlplane.Config) {
		c.DB, c.Webhooks, c.WebhookHosts = db, []controlplane.Webhook{hook}, []string{"127.0.0.1"}
	}
	first := open(t, at(clock), configured)
	approval := ask(t, first.Client(), 500)
	require.NoError(t, first.Close())

	clock.Advance(10 * time.Minute)
	r := newHookReceiver(t, clock.Now)
	hook.URL = r.URL
	open(t, at(clock), configured)
	require.Equal(t, approval.ID, r.next(t, "approval.asked").Data.ApprovalID)
}

func TestOpen_WrongWebhook_IsRefusedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	_, err := controlplane.Open(context.Background(), controlplane.Config{Ephemeral: true, Webhooks: []controlplane.Webhook{
		{Name: "chat", URL: "http://chat.example.com/T0KEN", Secret: webhookSecret, Kinds: []string{"*"}},
	}})
	require.ErrorContains(t, err, "webhook chat: its URL must begin with https")
	require.NotContains(t, err.Error(), "T0KEN")
	require.Equal(t, "chat at chat.example.com", fmt.Sprintf("%+v", controlplane.Webhook{Name: "chat", URL: "https://chat.example.com/T0KEN", Secret: webhookSecret}))
}

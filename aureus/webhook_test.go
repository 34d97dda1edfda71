package aureus_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The header, the secret and the body are those of the tests of Standard Webhooks.
func webhookHeader(id, seconds, signature string) http.Header {
	header := http.Header{}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", seconds)
	header.Set("webhook-signature", signature)
	return header
}

func TestVerifyWebhook_PublishedExample_IsValid(t *testing.T) {
	t.Parallel()
	header := webhookHeader("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	_, err := aureus.VerifyWebhook(webhookSecret, header, []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0))
	require.ErrorContains(t, err, "/type: is required", "the signature is right, and the body is not from a control plane")
}

func TestVerifyWebhook_SignatureTable_EachIsAcceptedOrRefused(t *testing.T) {
	t.Parallel()
	const id, seconds, body = "msg_1", "1772366400", `{"type":"approval.asked","timestamp":"2026-03-01T12:00:00Z","tenant":"default","data":{"approval_id":"apr_1","later":[1]},"later":1}`
	const good = "v1,Yz7luIcI1ZP9jWcznb/qhUNJz8o4BAGWNvVya26oUec="
	at, err := strconv.ParseInt(seconds, 10, 64)
	require.NoError(t, err)
	now := time.Unix(at, 0)
	event, err := aureus.VerifyWebhook(webhookSecret, webhookHeader(id, seconds, good), []byte(body), now)
	require.NoError(t, err)
	require.Equal(t, aureus.WebhookEvent{
		ID: id, Type: "approval.asked", Timestamp: "2026-03-01T12:00:00Z", Tenant: "default", Data: aureus.WebhookEventData{ApprovalID: "apr_1"},
	}, event, "members of later versions are ignored")

	for name, row := range map[string]struct {
		secret, id, seconds, signature, body string
		now                                  time.Time
		ok                                   bool
	}{
		"another signature before it":    {signature: "v1,AAAA v2,x " + good, ok: true},
		"five minutes late":              {now: now.Add(5 * time.Minute), ok: true},
		"five minutes early":             {now: now.Add(-5 * time.Minute), ok: true},
		"later than that":                {now: now.Add(5*time.Minute + time.Second)},
		"earlier than that":              {now: now.Add(-5*time.Minute - time.Second)},
		"another secret":                 {secret: "whsec_" + strings.Repeat("A", 32)},
		"no secret":                      {secret: "whsec_"},
		"a secret without its beginning": {secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		"another id":                     {id: "msg_2"},
		"no id":                          {id: "-"},
		"a moved point":                  {id: "msg_1.1", seconds: "772366400"},
		"another time":                   {seconds: "1772366401"},
		"a time with a sign":             {seconds: "+1772366400"},
		"no number":                      {seconds: "x"},
		"another body":                   {body: body + " "},
		"a large body":                   {body: strings.Repeat("x", 256<<10+1)},
		"no version":                     {signature: strings.TrimPrefix(good, "v1,")},
		"another version":                {signature: "v1a" + strings.TrimPrefix(good, "v1")},
		"no signature":                   {signature: "-"},
		"half of it":                     {signature: good[:20]},
		"an empty signature":             {signature: "v1,"},
		"too many before it":             {signature: strings.Repeat("v1,AAAA ", 16) + good},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			or := func(text, otherwise string) string {
				switch text {
				case "":
					return otherwise
				case "-":
					return ""
				}
				return text
			}
			if row.now.IsZero() {
				row.now = now
			}
			secret := or(row.secret, webhookSecret)
			_, err := aureus.VerifyWebhook(secret, webhookHeader(or(row.id, id), or(row.seconds, seconds), or(row.signature, good)), []byte(or(row.body, body)), row.now)
			if row.ok {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.NotContains(t, err.Error(), strings.TrimPrefix(good, "v1,"))
			require.NotContains(t, err.Error(), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		})
	}
}

func TestVerifyWebhook_HeaderTwice_IsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		header := webhookHeader("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
		header.Add(name, "another")
		_, err := aureus.VerifyWebhook(webhookSecret, header, []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0))
		require.ErrorContains(t, err, name+" is there more than once")
	}
}

func FuzzVerifyWebhook(f *testing.F) {
	f.Add("msg_1", "1772366400", "v1,AAAA", []byte(`{}`))
	f.Fuzz(func(t *testing.T, id, seconds, signature string, body []byte) {
		if _, err := aureus.VerifyWebhook(webhookSecret, webhookHeader(id, seconds, signature), body, time.Unix(1772366400, 0)); err == nil {
			t.Error("nobody who does not know the secret can sign")
		}
	})
}

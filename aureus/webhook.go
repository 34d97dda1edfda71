package aureus

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/webhooksig"
)

// maxWebhook is the maximum size of a webhook's body in bytes. The control plane sends
// less.
const maxWebhook = 256 << 10

// WebhookEvent is what a control plane tells a webhook. It is a notice, not a source of
// truth: it may arrive more than once, each time with the same ID, and in another order
// than the events happened. Read what it names from the control plane before you act.
type WebhookEvent struct {
	ID        string           `json:"-"` // from the header; the same for each attempt
	Type      string           `json:"type"`
	Timestamp Timestamp        `json:"timestamp"` // of the event, not of the attempt
	Tenant    string           `json:"tenant"`
	Data      WebhookEventData `json:"data"`
}

// WebhookEventData is what happened. Fields that do not apply to the type of the event
// are empty. The arguments of a request and the texts that an agent wrote are never in
// it.
type WebhookEventData struct {
	Sequence     int64          `json:"sequence,omitzero"`   // of the audit entry
	EntryHash    string         `json:"entry_hash,omitzero"` // of the audit entry
	ApprovalID   string         `json:"approval_id,omitzero"`
	DecisionID   DecisionID     `json:"decision_id,omitzero"`
	ActionDigest Digest         `json:"action_digest,omitzero"`
	Principal    string         `json:"principal,omitzero"`
	OnBehalfOf   string         `json:"on_behalf_of,omitzero"`
	Action       string         `json:"action,omitzero"`
	ToolName     string         `json:"tool_name,omitzero"`
	RiskTier     PolicyRiskTier `json:"risk_tier,omitzero"`
	ReasonCode   ReasonCode     `json:"reason_code,omitzero"`
	Rule         string         `json:"rule,omitzero"`
	Verdict      string         `json:"verdict,omitzero"` // approve or reject
	By           string         `json:"by,omitzero"`      // who asked, decided, used, stored or stopped
	Why          string         `json:"why,omitzero"`     // why an approval ended early
	ExpiresAt    Timestamp      `json:"expires_at,omitzero"`
	Bundle       string         `json:"bundle,omitzero"` // name/version
	Scope        string         `json:"scope,omitzero"`  // of a stop
	Reason       string         `json:"reason,omitzero"` // of a stop
	Size         int64          `json:"size,omitzero"`   // of a checkpoint: the number of entries
	Checkpoint   string         `json:"checkpoint,omitzero"`
	URL          string         `json:"url,omitzero"` // the page of the console about it
}

// VerifyWebhook checks a request that a control plane sent to a webhook and returns its
// event. secret is the one that the control plane has for the webhook, body is the exact
// body of the request, at most 256 KiB, and now is the present time, from which the time of
// the request may differ by 5 minutes. On an error, answer with 400 and do nothing else.
//
// A signed request may be repeated within these minutes, by somebody who has seen it or
// by the control plane itself. Remember the IDs of the last ten minutes, or do nothing that
// matters twice.
func VerifyWebhook(secret string, header http.Header, body []byte, now time.Time) (WebhookEvent, error) {
	key, err := webhooksig.Key(secret)
	if err != nil {
		return WebhookEvent{}, fmt.Errorf("aureus: %w", err)
	}
	if len(body) > maxWebhook {
		return WebhookEvent{}, fmt.Errorf("aureus: the body of a webhook has %d bytes, more than %d", len(body), maxWebhook)
	}
	id, err := webhooksig.Verify(header, key, body, now)
	if err != nil {
		return WebhookEvent{}, fmt.Errorf("aureus: %w", err)
	}
	event := WebhookEvent{}
	if err := jsonscan.Unmarshal(body, &event); err != nil {
		return WebhookEvent{}, fmt.Errorf("aureus: reading the event of a webhook: %w", err)
	}
	if event.Type == "" {
		return WebhookEvent{}, errors.New("aureus: the body of a webhook has no type")
	}
	event.ID = id
	return event, nil
}

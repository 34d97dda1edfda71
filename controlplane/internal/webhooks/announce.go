package webhooks

import (
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Lifetime is how long after an event its message is given up at the next failure.
const Lifetime = 3 * 24 * time.Hour

// kindOf maps the kinds of audit entries to those of messages.
var kindOf = map[string]string{
	vocab.AuditApprovalRequested: ApprovalAsked,
	vocab.AuditApprovalApproved:  ApprovalDecided,
	vocab.AuditApprovalRejected:  ApprovalDecided,
	vocab.AuditApprovalConsumed:  ApprovalUsed,
	vocab.AuditApprovalExpired:   ApprovalExpired,
	"approval_reminder":          ApprovalReminder,
	"approval_revoked":           ApprovalRevoked,
	vocab.AuditBundlePut:         PolicyPut,
	vocab.AuditPolicyStopped:     StopAdded,
	vocab.AuditPolicyResumed:     StopRemoved,
}

// Announcer implements [storage.Announcer] for the webhooks of a configuration that has
// been checked.
type Announcer struct{ Config Config }

// OfEntry implements [storage.Announcer]. An approval is decided when no more people need
// to approve it. Another request that joins one that waits is not announced.
func (a *Announcer) OfEntry(tenant string, e aureus.AuditRecord) []storage.Message {
	kind, ok := kindOf[e.Kind]
	joined, _ := e.Details["joined"].(bool)
	if !ok || joined || kind == ApprovalDecided && e.ToState == vocab.StatePendingHuman || !a.wanted(tenant, kind) {
		return nil
	}
	text := func(name string) string { value, _ := e.Details[name].(string); return value }
	event := aureus.WebhookEvent{Type: kind, Timestamp: e.Timestamp, Tenant: tenant, Data: aureus.WebhookEventData{
		Sequence: e.Sequence, EntryHash: e.Hash, ApprovalID: e.ApprovalID, DecisionID: e.DecisionID, ActionDigest: e.ActionDigest,
		Principal: e.Principal, OnBehalfOf: e.OnBehalfOf, Action: e.Action, ReasonCode: e.ReasonCode, Verdict: e.Decision, By: e.By,
		ToolName: text("tool_name"), RiskTier: aureus.PolicyRiskTier(text("risk_tier")), Rule: text("rule"), Why: text("why"),
		ExpiresAt: aureus.Timestamp(text("expires_at")), Bundle: text("bundle"), Scope: text("scope"),
	}}
	switch kind {
	case StopAdded:
		event.Data.Reason, event.Data.URL = text("reason"), a.link("stops")
	case StopRemoved:
		event.Data.URL = a.link("stops")
	case PolicyPut:
		event.Data.URL = a.link("policy")
	default:
		event.Data.URL = a.link("approvals/" + url.PathEscape(e.ApprovalID))
	}
	at, ok := e.Timestamp.Time()
	if !ok {
		return nil // cannot happen: the store has set it
	}
	return a.messages(event, e.Hash, at)
}

// OfCheckpoint implements [storage.Announcer].
func (a *Announcer) OfCheckpoint(c storage.Checkpoint) []storage.Message {
	if !a.wanted(c.Tenant, checkpoint) {
		return nil
	}
	return a.messages(aureus.WebhookEvent{
		Type: checkpoint, Timestamp: aureus.TimestampOf(c.At), Tenant: c.Tenant,
		Data: aureus.WebhookEventData{Size: c.Size, Checkpoint: c.Note},
	}, c.Note, c.At)
}

func (a *Announcer) wanted(tenant, kind string) bool {
	for _, h := range a.Config.Hooks {
		if h.wants(tenant, kind) {
			return true
		}
	}
	return false
}

// messages returns one message for each webhook that wants the event. source identifies
// the event, so that an update that is run again makes messages with the same ids.
func (a *Announcer) messages(event aureus.WebhookEvent, source string, at time.Time) (list []storage.Message) {
	body, err := strictjson.MarshalText(event)
	if err != nil {
		return nil // cannot happen: an event has texts and numbers only
	}
	for _, h := range a.Config.Hooks {
		if h.wants(event.Tenant, event.Type) {
			list = append(list, storage.Message{
				ID: messageID(source, h.Name), Tenant: event.Tenant, Webhook: h.Name, Kind: event.Type, Body: string(body),
				At: at, Due: at, GiveUp: at.Add(Lifetime),
			})
		}
	}
	return list
}

func messageID(source, hook string) string {
	sum := sha256.Sum256([]byte(source + "\x00" + hook))
	return "msg_" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// link returns the address of a page of the console, or an empty text without one.
func (a *Announcer) link(page string) string {
	if a.Config.Console == "" {
		return ""
	}
	return strings.TrimSuffix(a.Config.Console, "/") + "/console/" + page
}

package observe

import (
	"bytes"
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// follower is one client of the stream, with its filter. Events that it has not
// read stay in the stores; nothing is queued in memory for it.
type follower struct {
	service  *Service
	caller   web.Caller
	position position
	revision int64 // of the policy that was sent last; 0 if none was

	telemetry, decisions, approvals, policy bool // the kinds of events to send

	eventType, workflow string // of telemetry; empty matches all
	principal           string // of decisions and approvals; empty matches all
}

// next appends new events that match the filter to out, about maxPart bytes at
// most, and advances the position past every event that it examined. If more is
// true, call next again; otherwise wait until changed is closed.
func (f *follower) next(ctx context.Context, feed *feed, out *bytes.Buffer) (more bool, changed <-chan struct{}, err error) {
	events, audit, policy, started, changed := feed.snapshot()
	if !started {
		return false, changed, nil
	}
	if f.policy && f.revision != policy.revision {
		f.revision = policy.revision
		f.write(out, vocab.StreamPolicy, policy.text)
	}
	if f.telemetry && f.position.telemetry < events.from {
		more = true
		err = f.readOldTelemetry(ctx, out)
	} else if f.telemetry {
		for _, event := range events.items {
			if out.Len() > maxPart {
				return true, changed, nil
			}
			if event.Seq > f.position.telemetry && (f.eventType == "" || f.eventType == event.Type) && (f.workflow == "" || f.workflow == event.Workflow) {
				f.position.telemetry = event.Seq
				f.write(out, vocab.StreamTelemetry, []byte(event.Body))
			}
		}
		f.position.telemetry = max(f.position.telemetry, events.to)
	}
	if err != nil || !f.decisions && !f.approvals {
		return more, changed, err
	}
	if f.position.audit < audit.from {
		return true, changed, f.readOldAudit(ctx, out)
	}
	for _, event := range audit.items {
		if out.Len() > maxPart {
			return true, changed, nil
		}
		if event.sequence > f.position.audit && (f.principal == "" || f.principal == event.principal) && f.wants(event.kind) {
			f.position.audit = event.sequence
			f.write(out, event.kind, event.text)
		}
	}
	f.position.audit = max(f.position.audit, audit.to)
	return more, changed, nil
}

// wants reports whether the filter selects the kind of audit event.
func (f *follower) wants(kind string) bool {
	return kind == vocab.StreamDecision && f.decisions || kind == vocab.StreamApproval && f.approvals
}

// readOldTelemetry appends events that the feed no longer holds, from the store.
func (f *follower) readOldTelemetry(ctx context.Context, out *bytes.Buffer) error {
	events, reached, err := f.service.Telemetry.Tail(ctx, f.caller.Tenant, f.eventType, f.workflow, f.position.telemetry)
	if err != nil {
		return err
	}
	for _, event := range events {
		f.position.telemetry = event.Seq
		f.write(out, vocab.StreamTelemetry, []byte(event.Body))
	}
	f.position.telemetry = reached
	return nil
}

// readOldAudit does the same for decisions and approvals.
func (f *follower) readOldAudit(ctx context.Context, out *bytes.Buffer) error {
	selected := storage.AuditTail{Decisions: f.decisions, Approvals: f.approvals, Principal: f.principal}
	events, reached, _, err := f.service.readAudit(ctx, f.caller.Tenant, selected, f.position.audit)
	if err != nil {
		return err
	}
	for _, event := range events {
		f.position.audit = event.sequence
		f.write(out, event.kind, event.text)
	}
	f.position.audit = reached
	return nil
}

// write appends one event. data must not contain line breaks; the JSON that the
// server writes never does.
func (f *follower) write(out *bytes.Buffer, kind string, data []byte) {
	fmt.Fprintf(out, "id: %s\nevent: %s\ndata: %s\n\n", f.position, kind, data)
}

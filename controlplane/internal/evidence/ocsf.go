package evidence

import (
	"context"
	"fmt"
	"io"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// SchemaOCSF is the version of the Open Cybersecurity Schema Framework of which
// WriteOCSF writes events.
const SchemaOCSF = "1.5.0"

// The numbers of the class API Activity, with the profile security_control.
const (
	ocsfCategory  = 6    // Application Activity
	ocsfClass     = 6003 // API Activity
	ocsfOther     = 99
	ocsfSuccess   = 1
	ocsfFailure   = 2
	ocsfInfo      = 1 // severity_id: Informational
	ocsfLow       = 2 // severity_id: Low
	ocsfAllowed   = 1 // action_id and disposition_id
	ocsfDenied    = 2 // action_id; as disposition_id: Blocked
	ocsfUndecided = 99
)

// WriteOCSF writes the tenant's entries up to the checkpoint as events of the class API
// Activity of OCSF, one on each line. raw_data is the entry as an export has it.
func WriteOCSF(ctx context.Context, db storage.Store, c storage.Checkpoint, to io.Writer) (n int64, err error) {
	err = storage.EachAudit(ctx, db, c.Tenant, 0, c.Size, func(e aureus.AuditRecord) error {
		event, err := EventOCSF(c.Tenant, e)
		if err != nil {
			return err
		}
		line, err := strictjson.MarshalText(event)
		if err != nil {
			return err
		}
		n++
		_, err = to.Write(append(line, '\n'))
		return err
	})
	return n, err
}

// EventOCSF returns an entry as an OCSF event.
func EventOCSF(tenant string, e aureus.AuditRecord) (map[string]any, error) {
	raw, err := strictjson.MarshalText(e)
	if err != nil {
		return nil, err
	}
	at, ok := e.Timestamp.Time()
	if !ok {
		return nil, fmt.Errorf("entry %d has the time %.80q", e.Sequence, e.Timestamp)
	}
	operation := e.Kind
	if e.Action != "" {
		operation = e.Action
	}
	metadata := map[string]any{
		"version": SchemaOCSF, "profiles": []string{"security_control"}, "uid": e.Hash, "sequence": e.Sequence, "log_name": "audit", "tenant_uid": tenant, "original_time": string(e.Timestamp),
		"product": map[string]any{"name": "Aureus", "vendor_name": "Aureus", "version": aureus.Version},
	}
	if !e.DecisionID.IsZero() {
		metadata["correlation_uid"] = e.DecisionID.String()
	}
	event := map[string]any{
		"category_uid": ocsfCategory, "category_name": "Application Activity", "class_uid": ocsfClass, "class_name": "API Activity",
		"activity_id": ocsfOther, "activity_name": e.Kind, "type_uid": ocsfClass*100 + ocsfOther, "type_name": "API Activity: Other",
		"time": at.UnixMilli(), "metadata": metadata, "raw_data": string(raw),
		"actor":        actorOCSF(e),
		"api":          map[string]any{"operation": operation, "service": map[string]any{"name": "aureus"}},
		"src_endpoint": map[string]any{"svc_name": e.By, "uid": e.KeyID},
	}
	if e.ReasonCode != "" {
		event["status_code"] = string(e.ReasonCode)
	}
	if e.Decision != "" {
		event["status_detail"] = e.Decision
	}
	answerOCSF(event, e)
	return event, nil
}

// actorOCSF returns who acts: the principal, or, in entries without one, the subject whose
// key caused the entry.
func actorOCSF(e aureus.AuditRecord) map[string]any {
	name := e.Principal
	if name == "" {
		name = e.By
	}
	actor := map[string]any{"user": map[string]any{"name": name, "uid": name}}
	if e.OnBehalfOf != "" {
		actor["authorizations"] = []any{map[string]any{"decision": "on behalf of " + e.OnBehalfOf}}
	}
	return actor
}

// answerOCSF adds the status, severity, action and disposition.
func answerOCSF(event map[string]any, e aureus.AuditRecord) {
	status, severity, action, disposition := ocsfSuccess, ocsfInfo, ocsfAllowed, ocsfAllowed
	switch {
	case e.Kind == vocab.AuditDecision && e.Decision == aureus.Deny.String(), e.Kind == vocab.AuditApprovalRejected, e.Kind == vocab.AuditApprovalExpired:
		status, severity, action, disposition = ocsfFailure, ocsfLow, ocsfDenied, ocsfDenied
	case e.Kind == vocab.AuditDecision && e.Decision != aureus.Allow.String(), e.Kind == vocab.AuditApprovalRequested:
		action, disposition = ocsfUndecided, ocsfUndecided
		event["disposition"] = "Waits for approval"
	case e.Kind == vocab.AuditGateResult && e.Decision == vocab.CRVBlocked:
		status, severity, action, disposition = ocsfFailure, ocsfLow, ocsfDenied, ocsfDenied
	}
	event["status_id"], event["severity_id"], event["action_id"], event["disposition_id"] = status, severity, action, disposition
}

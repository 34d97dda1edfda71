package aureus

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// AuditQuery selects entries of the audit log; empty fields select everything.
// Times are inclusive.
type AuditQuery struct {
	Principal, Action  string
	StartTime, EndTime Timestamp
}

// Audit lists the entries of the audit log in order. It needs an operator's
// key. GET /api/v1/audit.
func (c *Client) Audit(ctx context.Context, query AuditQuery) iter.Seq2[AuditRecord, error] {
	return list[AuditRecord](ctx, c, "Audit", "/audit", addQuery(url.Values{},
		"principal", query.Principal, "action", query.Action,
		"start_time", string(query.StartTime), "end_time", string(query.EndTime)))
}

// VerifyAudit has the control plane check the chain of its audit log. It needs
// an operator's key. GET /api/v1/audit/verify.
func (c *Client) VerifyAudit(ctx context.Context) (AuditVerification, error) {
	var verification AuditVerification
	err := c.invoke(ctx, call{op: "VerifyAudit", method: http.MethodGet, path: "/audit/verify", class: Reads}, &verification)
	return verification, err
}

// RecordDecisions adds decisions that were made elsewhere to the audit log,
// under the name of the key. Recording one twice does no harm. Records that
// the server refuses come as a [*PartialError].
// POST /api/v1/audit/records/batch.
func (c *Client) RecordDecisions(ctx context.Context, records []DecisionRecord) error {
	_, err := recordDecisions(ctx, c, records)
	return err
}

// RecordOutcomes adds to the audit log what became of decided requests. It is
// as RecordDecisions otherwise. POST /api/v1/audit/outcomes/batch.
func (c *Client) RecordOutcomes(ctx context.Context, outcomes []Outcome) error {
	_, err := recordOutcomes(ctx, c, outcomes)
	return err
}

func recordDecisions(ctx context.Context, c *Client, records []DecisionRecord) (accepted int, err error) {
	return reportBatch(ctx, c, "RecordDecisions", "/audit/records", nil, records)
}

func recordOutcomes(ctx context.Context, c *Client, outcomes []Outcome) (accepted int, err error) {
	return reportBatch(ctx, c, "RecordOutcomes", "/audit/outcomes", nil, outcomes)
}

package aureus

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// AuditQuery selects entries of the audit log; empty fields select everything.
// Times are inclusive.
type AuditQuery struct {
	Principal, Action  string
	DecisionID         DecisionID
	Decision           string // the effect, the verdict, the status or the outcome
	Kind               string // one of the words of [AuditRecord]
	TraceID            string
	StartTime, EndTime Timestamp
}

// Audit lists the entries of the audit log in order. It needs an operator's
// key. GET /api/v1/audit.
func (c *Client) Audit(ctx context.Context, query AuditQuery) iter.Seq2[AuditRecord, error] {
	return list[AuditRecord](ctx, c, "Audit", "/audit", addQuery(url.Values{},
		"principal", query.Principal, "action", query.Action, "decision_id", query.DecisionID.String(),
		"decision", query.Decision, "kind", query.Kind, "trace_id", query.TraceID,
		"start_time", string(query.StartTime), "end_time", string(query.EndTime)))
}

// Decision is everything that the audit log knows of a decision: of one that the
// key's subject made or reported, or, with an operator's key, of any. An unknown
// one is [ErrNotFound]. GET /api/v1/decisions/{id}.
func (c *Client) Decision(ctx context.Context, id DecisionID) (DecisionDetails, error) {
	var details DecisionDetails
	err := c.invoke(ctx, call{op: "Decision", method: http.MethodGet, path: "/decisions/" + id.String(), class: classReads}, &details)
	return details, err
}

// VerifyAudit has the control plane check the chain of its audit log. It needs
// an operator's key. GET /api/v1/audit/verify.
//
// An earlier verification that was kept elsewhere can be given, one at the most:
// the chain must still have that head at that place. Who can write the database
// can make a new chain that fits in itself, or cut off its end; only this tells.
// It is [ErrInvalid] where that entry is archived by now.
func (c *Client) VerifyAudit(ctx context.Context, earlier ...AuditVerification) (AuditVerification, error) {
	var query url.Values
	switch {
	case len(earlier) > 1:
		return AuditVerification{}, fmt.Errorf("aureus: VerifyAudit: %w: give one earlier verification, not %d", ErrInvalid, len(earlier))
	case len(earlier) == 1 && earlier[0].Entries > 0:
		query = url.Values{"expect_entries": {strconv.FormatInt(earlier[0].Entries, 10)}, "expect_head": {earlier[0].Head}}
	}
	var verification AuditVerification
	err := c.invoke(ctx, call{op: "VerifyAudit", method: http.MethodGet, path: "/audit/verify", query: query, class: classReads}, &verification)
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

// RecordGates adds to the audit log what gates found that judged elsewhere. It is
// as RecordDecisions otherwise, but that what is recorded twice, in two calls,
// stands there twice. POST /api/v1/audit/gates/batch.
func (c *Client) RecordGates(ctx context.Context, records []GateRecord) error {
	_, err := recordGates(ctx, c, records)
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

func recordGates(ctx context.Context, c *Client, records []GateRecord) (accepted int, err error) {
	return reportBatch(ctx, c, "RecordGates", "/audit/gates", nil, records)
}

func recordOutcomes(ctx context.Context, c *Client, outcomes []Outcome) (accepted int, err error) {
	return reportBatch(ctx, c, "RecordOutcomes", "/audit/outcomes", nil, outcomes)
}

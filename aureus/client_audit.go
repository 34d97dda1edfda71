package aureus

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// AuditQuery selects entries of the audit log; an empty field selects all. StartTime
// and EndTime are inclusive.
type AuditQuery struct {
	Principal, Action  string
	DecisionID         DecisionID
	Decision           string // AuditRecord.Decision: an effect, a verdict, a gate's status or an outcome
	Kind               string // one of the kinds listed at [AuditRecord]
	TraceID            string
	StartTime, EndTime Timestamp
}

// Audit lists the entries of the audit log in order of their sequence numbers. It needs
// an operator's key. GET /api/v1/audit.
func (c *Client) Audit(ctx context.Context, query AuditQuery) iter.Seq2[AuditRecord, error] {
	return list[AuditRecord](ctx, c, "Audit", "/audit", addQuery(url.Values{},
		"principal", query.Principal, "action", query.Action, "decision_id", query.DecisionID.String(),
		"decision", query.Decision, "kind", query.Kind, "trace_id", query.TraceID,
		"start_time", string(query.StartTime), "end_time", string(query.EndTime)))
}

// Decision returns what the audit log contains about one decision. A service's key sees the
// decisions that its subject asked for or reported, an operator's key every one. An
// unknown id is [ErrNotFound]. GET /api/v1/decisions/{id}.
func (c *Client) Decision(ctx context.Context, id DecisionID) (DecisionDetails, error) {
	var details DecisionDetails
	err := c.invoke(ctx, call{op: "Decision", method: http.MethodGet, path: "/decisions/" + id.String(), class: classReads}, &details)
	return details, err
}

// VerifyAudit makes the control plane check the hashes of its audit log. It needs an
// operator's key. GET /api/v1/audit/verify.
//
// Pass at most one earlier verification that you stored elsewhere: the log must still
// have the same hash at that entry. Somebody who can write to the database can replace
// the whole log by a consistent one, or remove its last entries, and only the earlier
// verification detects that. The error is [ErrInvalid] if that entry has been archived
// since.
func (c *Client) VerifyAudit(ctx context.Context, earlier ...AuditVerification) (AuditVerification, error) {
	var query url.Values
	switch {
	case len(earlier) > 1:
		return AuditVerification{}, fmt.Errorf("aureus: VerifyAudit: %w: pass at most one earlier verification, not %d", ErrInvalid, len(earlier))
	case len(earlier) == 1 && earlier[0].Entries > 0:
		query = url.Values{"expect_entries": {strconv.FormatInt(earlier[0].Entries, 10)}, "expect_head": {earlier[0].Head}}
	}
	var verification AuditVerification
	err := c.invoke(ctx, call{op: "VerifyAudit", method: http.MethodGet, path: "/audit/verify", query: query, class: classReads}, &verification)
	return verification, err
}

// AuditCheckpoint returns a signed checkpoint of the audit log that covers every entry:
// keep it elsewhere, and have a later log checked against it. The error is [ErrNotFound]
// if the log is empty. GET /api/v1/audit/checkpoint.
func (c *Client) AuditCheckpoint(ctx context.Context) (AuditCheckpoint, error) {
	var checkpoint AuditCheckpoint
	err := c.invoke(ctx, call{op: "AuditCheckpoint", method: http.MethodGet, path: "/audit/checkpoint", class: classReads}, &checkpoint)
	return checkpoint, err
}

// AuditProof returns the first entry of a decision with the proof that it is in the audit
// log. aureus audit verify --proof checks it without the server. It needs an operator's
// key. The error is [ErrNotFound] if the log does not have the entry any more.
// GET /api/v1/audit/proof.
func (c *Client) AuditProof(ctx context.Context, id DecisionID) (AuditProof, error) {
	var proof AuditProof
	query := url.Values{"decision_id": {id.String()}}
	err := c.invoke(ctx, call{op: "AuditProof", method: http.MethodGet, path: "/audit/proof", query: query, class: classReads}, &proof)
	return proof, err
}

// AuditConsistency returns the proof that the audit log begins with the log of a
// checkpoint that covers from entries. GET /api/v1/audit/consistency.
func (c *Client) AuditConsistency(ctx context.Context, from int64) (AuditConsistency, error) {
	var proof AuditConsistency
	query := url.Values{"from": {strconv.FormatInt(from, 10)}}
	err := c.invoke(ctx, call{op: "AuditConsistency", method: http.MethodGet, path: "/audit/consistency", query: query, class: classReads}, &proof)
	return proof, err
}

// RecordDecisions adds decisions of a local decider to the audit log. A decision that is
// already there is accepted and not added again. If the server rejects records, the
// error is a [*PartialError].
// POST /api/v1/audit/records/batch.
func (c *Client) RecordDecisions(ctx context.Context, records []DecisionRecord) error {
	_, err := recordDecisions(ctx, c, records)
	return err
}

// RecordGates adds results of gates that ran outside the control plane to the audit
// log. Its errors are those of RecordDecisions. A record that is sent in two calls is
// added twice. POST /api/v1/audit/gates/batch.
func (c *Client) RecordGates(ctx context.Context, records []GateRecord) error {
	_, err := recordGates(ctx, c, records)
	return err
}

// RecordOutcomes adds to the audit log what became of decided requests; see [Outcome].
// Its errors are those of RecordDecisions. POST /api/v1/audit/outcomes/batch.
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

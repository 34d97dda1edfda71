package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

const traceUsage = `Show the spans of a trace as a tree, and the decisions that were made in it.

Usage:

  aureus trace ID [--output json]

ID is that of a trace, or that of a decision: then it is the trace of its request. It needs
the key of an operator. The control plane and the key are found as by "aureus approvals".
Exit codes: 0 done, 1 it failed, 2 invalid arguments.
`

// traced is the result of trace in JSON.
type traced struct {
	TraceID   string               `json:"trace_id"`
	Spans     []aureus.Span        `json:"spans"`
	Decisions []aureus.AuditRecord `json:"decisions"` // entries of the audit log with this trace; at most 1,000
}

// maxTraceEntries limits how many entries of the audit log a trace shows.
const maxTraceEntries = 1000

// trace shows the spans and the decisions of a trace.
func trace(ctx context.Context, c *policyCommand) error {
	return c.withApprovals(ctx, func(ctx context.Context, s *seat) error {
		result := traced{TraceID: s.flags.Arg(0), Spans: []aureus.Span{}, Decisions: []aureus.AuditRecord{}}
		if strings.HasPrefix(result.TraceID, "dec_") || strings.HasPrefix(result.TraceID, "apr_") {
			details, err := s.decision(ctx, result.TraceID)
			if err != nil {
				return err
			}
			if result.TraceID = details.TraceID; result.TraceID == "" {
				return fmt.Errorf("the request of the decision %s named no trace", details.DecisionID)
			}
		}
		spans, err := s.client.Trace(ctx, result.TraceID)
		if err != nil {
			return err
		}
		result.Spans = append(result.Spans, spans...)
		for entry, err := range s.client.Audit(ctx, aureus.AuditQuery{TraceID: result.TraceID}) {
			if errors.Is(err, aureus.ErrForbidden) { // the audit log is for operators
				break
			}
			if err != nil {
				return err
			}
			if result.Decisions = append(result.Decisions, entry); len(result.Decisions) == maxTraceEntries {
				break
			}
		}
		if len(result.Spans)+len(result.Decisions) == 0 {
			return fmt.Errorf("nothing is known about the trace %.60q", result.TraceID)
		}
		if s.out.json {
			return s.out.print(result)
		}
		return s.printTrace(&result)
	}, "ID")
}

func (s *seat) printTrace(result *traced) error {
	if err := s.wrapped("Trace " + shown(result.TraceID)); err != nil {
		return err
	}
	rows := spanRows(result.Spans)
	if len(rows) > 0 {
		if err := s.printf("\n"); err != nil {
			return err
		}
		if err := s.table(append([][]string{{"SPAN", "TOOK", "STARTED", "TAGS"}}, rows...)); err != nil {
			return err
		}
	}
	if len(result.Decisions) == 0 {
		return nil
	}
	rows = [][]string{{"ENTRY", "TIME", "KIND", "ACTION", "RESULT", "ID"}}
	for _, e := range result.Decisions {
		rows = append(rows, []string{strconv.FormatInt(e.Sequence, 10), shortTime(e.Timestamp), e.Kind, e.Action, strings.TrimSpace(e.Decision + " " + string(e.ReasonCode)), e.DecisionID.String()})
	}
	if err := s.printf("\n"); err != nil {
		return err
	}
	return s.table(rows)
}

// maxSpanDepth limits the indentation of the tree.
const maxSpanDepth = 40

// spanRows are the rows of the tree of the spans. A span whose parent is not among them is
// a root, and so is one of a circle.
func spanRows(spans []aureus.Span) (rows [][]string) {
	known := map[string]bool{}
	children := map[string][]int{}
	for n := range spans {
		known[spans[n].ID] = true
		children[spans[n].ParentID] = append(children[spans[n].ParentID], n)
	}
	done := make([]bool, len(spans))
	type step struct{ span, depth int }
	show := func(root int) {
		for stack := []step{{root, 0}}; len(stack) > 0; {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if done[at.span] {
				continue
			}
			done[at.span] = true
			span := &spans[at.span]
			rows = append(rows, spanRow(span, at.depth))
			if span.ID == "" {
				continue
			}
			for _, child := range slices.Backward(children[span.ID]) {
				stack = append(stack, step{child, min(at.depth+1, maxSpanDepth)})
			}
		}
	}
	for n := range spans {
		if spans[n].ParentID == "" || !known[spans[n].ParentID] {
			show(n)
		}
	}
	for n := range spans {
		show(n) // those of circles
	}
	return rows
}

func spanRow(span *aureus.Span, depth int) []string {
	took := "not ended"
	if span.Duration != nil {
		took = millis(*span.Duration)
	}
	var tags []string
	for _, name := range slices.Sorted(maps.Keys(span.Tags)) {
		tags = append(tags, name+"="+span.Tags[name])
	}
	for _, log := range span.Logs {
		tags = append(tags, string(log.Level)+": "+log.Message)
	}
	return []string{strings.Repeat("  ", depth) + span.Name, took, shortTime(span.StartTime), strings.Join(tags, ", ")}
}

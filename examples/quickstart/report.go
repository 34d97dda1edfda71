package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// printTrace reads a trace back from Aureus and prints it as a tree.
func printTrace(ctx context.Context, out io.Writer, client *aureus.Client, traceID string) error {
	spans, err := client.Trace(ctx, traceID)
	if err != nil {
		return err
	}
	if len(spans) < 2 {
		return fmt.Errorf("trace %s has %d spans; it should have those of the agent and of the ledger", traceID, len(spans))
	}
	children := map[string][]aureus.Span{}
	known := map[string]bool{}
	for _, span := range spans {
		known[span.ID] = true
	}
	for _, span := range spans {
		parent := span.ParentID
		if !known[parent] {
			parent = ""
		}
		children[parent] = append(children[parent], span)
	}
	var show func(parent string, depth int)
	show = func(parent string, depth int) {
		for _, span := range children[parent] {
			duration := 0.0
			if span.Duration != nil {
				duration = *span.Duration
			}
			indent := strings.Repeat("  ", depth)
			fmt.Fprintf(out, "  %-42s %9.3f ms  %s\n", indent+span.Name, duration, span.Tags["http.response.status_code"])
			for _, log := range span.Logs {
				fmt.Fprintf(out, "  %s  · %s %s\n", indent, log.Message, highlights(log.Context))
			}
			show(span.ID, depth+1)
		}
	}
	show("", 0)
	return nil
}

// indented returns the lines with two spaces before each.
func indented(lines string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n  ") + "\n"
}

func highlights(context map[string]any) string {
	var parts []string
	for _, name := range []string{"aureus.guard.verdict.type", "aureus.guard.verdict.reason_code", "aureus.crv.gate.status", "aureus.crv.failure.code", "error.type"} {
		if value, ok := context[name]; ok {
			parts = append(parts, fmt.Sprint(value))
		}
	}
	return strings.Join(parts, " ")
}

// printMetrics shows that the service's own metrics arrived as well.
func printMetrics(ctx context.Context, out io.Writer, client *aureus.Client) error {
	requests := 0.0
	for point, err := range client.Metrics(ctx, aureus.MetricQuery{Name: "http.server.request.duration.count"}) {
		if err != nil {
			return err
		}
		requests = max(requests, point.Value)
	}
	if requests == 0 {
		return errors.New("no http.server.request.duration arrived")
	}
	fmt.Fprintf(out, "  http.server.request.duration arrived; the busiest series counts %v requests\n", requests)
	return nil
}

// printAudit prints the entries of the audit log and verifies their chain.
func printAudit(ctx context.Context, out io.Writer, operator *aureus.Client) error {
	for entry, err := range operator.Audit(ctx, aureus.AuditQuery{}) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %3d  %-19s %-10s %-17s %-17s %-36s %.8s\n", entry.Sequence, entry.Kind, cmp.Or(entry.Principal, entry.By), about(entry), entry.Decision, entry.ReasonCode, entry.Hash)
	}
	verified, err := operator.VerifyAudit(ctx)
	if err != nil {
		return err
	}
	if !verified.Valid || verified.Entries == 0 {
		return fmt.Errorf("the audit chain is not intact: %+v", verified)
	}
	fmt.Fprintf(out, "  the chain of %d entries is intact; its head is %.16s…\n", verified.Entries, verified.Head)
	return nil
}

// about returns what an entry is about: an action, a policy bundle, or the scope of a stop.
func about(entry aureus.AuditRecord) string {
	for _, name := range []string{"bundle", "scope"} {
		if value, ok := entry.Details[name].(string); ok && entry.Action == "" {
			return value
		}
	}
	return entry.Action
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

const whyUsage = `Say why a request was decided as it was, and what became of it.

Usage:

  aureus why ID [--output json]

ID is that of a decision, or that of an approval: then it is the decision that asked for it.
It needs the key of an operator. The control plane and the key are found as by "aureus
approvals". Exit codes: 0 done, 1 it failed, 2 invalid arguments.
`

// runSingle runs a command without verbs, and prints its usage for help.
func runSingle(ctx context.Context, name, usage string, do func(context.Context, *policyCommand) error, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	c := newCommand(name, args, getenv, stdout, stderr)
	c.flags.Usage = func() {
		_, _ = io.WriteString(stderr, usage+"\nFlags:\n\n") // a failure to write to it cannot be reported
		c.flags.PrintDefaults()
	}
	return do(ctx, c)
}

// why explains a recorded decision.
func why(ctx context.Context, c *policyCommand) error {
	return c.withApprovals(ctx, func(ctx context.Context, s *seat) error {
		details, err := s.decision(ctx, s.flags.Arg(0))
		if err != nil {
			return err
		}
		if s.out.json {
			return s.out.print(details)
		}
		return s.printDecision(&details)
	}, "ID")
}

// decision returns the decision with that id, or the one that asked for the approval with
// that id.
func (s *seat) decision(ctx context.Context, id string) (details aureus.DecisionDetails, err error) {
	var decision aureus.DecisionID
	if strings.HasPrefix(id, "apr_") {
		a, err := s.approval(ctx, id)
		if err != nil {
			return details, err
		}
		var found bool
		if decision, found = s.askedBy(ctx, &a); !found {
			return details, fmt.Errorf("the audit log does not have the decision that asked for %s, or this key may not read it; aureus approvals show displays the approval", shown(id))
		}
	} else if decision.UnmarshalText([]byte(id)) != nil || decision.IsZero() {
		return details, fmt.Errorf("%.60q is not the id of a decision (dec_…) or of an approval (apr_…)", id)
	}
	details, err = s.client.Decision(ctx, decision)
	if errors.Is(err, aureus.ErrNotFound) {
		return details, fmt.Errorf("the audit log has no decision %s; it may be in a part that was archived: %w", decision, err)
	}
	return details, err
}

func (s *seat) printDecision(d *aureus.DecisionDetails) error {
	if err := s.wrapped(fmt.Sprintf("%s: %s by %s", strings.ToUpper(shown(d.Effect)), shown(string(d.ReasonCode)), shown(orDash(d.Rule)))); err != nil {
		return err
	}
	if d.Reason != "" {
		if err := s.wrapped("  " + shown(d.Reason)); err != nil {
			return err
		}
	}
	if err := s.printf("\n"); err != nil {
		return err
	}
	if err := s.table(decisionFacts(d)); err != nil {
		return err
	}
	var matched, gates, inputs [][]string
	for _, m := range d.Matched {
		effect := m.Effect
		if m.Shadow {
			effect += " (shadow: reported only)"
		}
		matched = append(matched, []string{m.Rule, effect, string(m.ReasonCode), m.Reason})
		if m.Remedy != "" {
			matched = append(matched, []string{"", "", "remedy", m.Remedy})
		}
	}
	for _, g := range d.GateResults {
		gates = append(gates, []string{g.GateName, g.CRVStatus, string(g.FailureCode), g.CommitID})
	}
	for _, i := range d.Inputs {
		value := i.Status
		if i.Status == "recorded" {
			value = jsonText(i.Value)
		}
		inputs = append(inputs, []string{i.Name, value})
	}
	for _, section := range []struct {
		heading string
		rows    [][]string
	}{{"Reasons", matched}, {"Gates", gates}, {"Inputs", inputs}} {
		if len(section.rows) == 0 {
			continue
		}
		if err := s.printf("\n%s:\n", section.heading); err != nil {
			return err
		}
		if err := s.table(section.rows); err != nil {
			return err
		}
	}
	return nil
}

// decisionFacts are the rows about who asked for what, and what became of it.
func decisionFacts(d *aureus.DecisionDetails) (rows [][]string) {
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	add("decision", d.DecisionID.String())
	add("time", shortTime(d.Timestamp))
	add("principal", d.Principal)
	add("on behalf of", d.OnBehalfOf)
	add("action", d.Action)
	add("tool", d.ToolName)
	if d.Method+d.Path != "" {
		add("HTTP", d.Method+" "+d.Path)
	}
	add("risk tier", string(d.RiskTier))
	add("bundle", d.Bundle)
	add("policy", d.PolicyVersion)
	if d.Claimed {
		add("claimed", "tier and permissions are those that the request stated")
	}
	add("source", d.Source+" by "+named(d.By, "key "+d.KeyID))
	add("audit entry", strconv.FormatInt(d.Sequence, 10))
	if d.WorkflowID != "" {
		add("workflow", named(d.WorkflowID, "task "+d.TaskID))
	}
	add("trace", d.TraceID)
	if d.Approval != nil {
		add("approval", named(d.Approval.ID, string(d.Approval.Status)))
	}
	switch o := d.Outcome; {
	case o != nil:
		text := o.Status
		if o.ErrorClass != "" {
			text += " (" + o.ErrorClass + ")"
		}
		if o.NotDone {
			text += ", nothing was done"
		}
		add("outcome", fmt.Sprintf("%s after %s, reported by %s at %s", text, millis(o.DurationMS), o.By, shortTime(o.Timestamp)))
	case d.Effect == aureus.Allow.String():
		add("outcome", "none was reported yet")
	}
	return rows
}

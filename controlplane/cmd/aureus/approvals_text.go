package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/screen"
)

// printApproval displays everything about an approval.
func (s *seat) printApproval(ctx context.Context, a *aureus.Approval) error {
	remedies := s.remedies(ctx, a)
	sections := []struct {
		heading string
		rows    [][]string
	}{
		{"", approvalFacts(a, remedies, s.now())},
		{"What will happen", requestRows(a)},
		{"What a preview of the change found", previewRows(a)},
		{"May be another value when it is used", mayChangeRows(a)},
		{"Not as the request has it", alteredRows(a)},
		{"Verdicts", verdictRows(a)},
	}
	for _, section := range sections {
		if len(section.rows) == 0 {
			continue
		}
		if section.heading != "" {
			if err := s.printf("\n%s:\n", section.heading); err != nil {
				return err
			}
		}
		if err := s.table(section.rows); err != nil {
			return err
		}
	}
	if a.Status != aureus.ApprovalPending {
		return nil
	}
	return s.printf("\n  aureus approvals approve %s\n  aureus approvals reject %s --comment TEXT\n\n", shown(a.ID), shown(a.ID))
}

// approvalFacts are the rows about who asks for what, and why a person is asked.
func approvalFacts(a *aureus.Approval, remedies []string, now time.Time) [][]string {
	rows := [][]string{
		{"approval", a.ID},
		{"status", statusText(a, now)},
		{"action", named(a.Action.ID, a.Action.Name)},
	}
	optional := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	optional("tool", a.ToolName)
	optional("effect", effectClass(a))
	optional("risk tier", string(a.RiskTier))
	rows = append(rows, []string{"asks", named(a.Principal.ID, a.Principal.Type)})
	optional("on behalf of", a.OnBehalfOf)
	optional("sent by", named(a.RequestedBy, "key "+a.RequestedByKey))
	if !a.HasPermission {
		rows = append(rows, []string{"permission", "the principal LACKS a permission that the action requires"})
	}
	optional("asked", ageText(a.RequestedAt, now))
	optional("because", a.Reason)
	optional("rule", named(a.Rule, string(a.ReasonCode)))
	for _, remedy := range remedies {
		optional("remedy", remedy)
	}
	optional("policy", a.PolicyVersion)
	decides := strings.Join(a.Roles, ", ")
	if decides == "" {
		decides = "operator"
	}
	rows = append(rows, []string{"who decides", fmt.Sprintf("%d of role %s; not who asks", max(1, a.Quorum.Needed), decides)})
	return append(rows, []string{"digest", a.ActionDigest.String()})
}

func statusText(a *aureus.Approval, now time.Time) string {
	text := string(a.Status)
	if a.Quorum.Needed > 1 {
		text += fmt.Sprintf(", %d of %d approved", a.Quorum.Have, a.Quorum.Needed)
	}
	switch a.Status {
	case aureus.ApprovalPending:
		return text + ", " + leftText(a.ExpiresAt, now) + " to decide"
	case aureus.ApprovalApproved:
		return text + ", " + leftText(a.ExpiresAt, now) + " to use it"
	case aureus.ApprovalConsumed:
		return text + " by " + a.ConsumedBy.String()
	case aureus.ApprovalRejected, aureus.ApprovalExpired:
	}
	return text
}

// effectClass is what the policy bundle says about the effect of the action, such as
// irreversible.
func effectClass(a *aureus.Approval) string {
	text, _ := a.Action.Metadata["effect_class"].(string)
	return text
}

// named is an id with a second name, if there is another one.
func named(id, name string) string {
	if name == "" || name == id || name == "key " {
		return id
	}
	return fmt.Sprintf("%s (%s)", id, name)
}

func ageText(t aureus.Timestamp, now time.Time) string {
	at, ok := t.Time()
	if !ok {
		return string(t)
	}
	return fmt.Sprintf("%s ago, %s", roughly(now.Sub(at)), shortTime(t))
}

func leftText(t aureus.Timestamp, now time.Time) string {
	at, ok := t.Time()
	if !ok {
		return "until " + string(t)
	}
	if !at.After(now) {
		return "no time left"
	}
	return roughly(at.Sub(now)) + " left"
}

// roughly is a duration in its largest unit, and the next one if the first is small.
func roughly(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func mayChangeRows(a *aureus.Approval) (rows [][]string) {
	for _, m := range a.MayChange {
		rows = append(rows, []string{m.Pointer, jsonText(m.Value)})
	}
	return rows
}

func alteredRows(a *aureus.Approval) (rows [][]string) {
	for _, pointer := range a.Redacted {
		rows = append(rows, []string{orMore(pointer), "hidden"})
	}
	for _, pointer := range a.Escaped {
		rows = append(rows, []string{orMore(pointer), "has invisible characters, which are shown as their codes"})
	}
	return rows
}

// orMore is a pointer of a list whose last, empty item says that there are more.
func orMore(pointer string) string {
	if pointer == "" {
		return "and more"
	}
	return pointer
}

func verdictRows(a *aureus.Approval) (rows [][]string) {
	for _, d := range a.Decisions {
		rows = append(rows, []string{shortTime(d.At), d.By, d.Verdict, d.Comment})
	}
	return rows
}

// maxSummaryRows and maxSummaryText limit the values of a request in a list, and the columns of each.
const (
	maxSummaryRows = 12
	maxSummaryText = 400
)

// approvalSummary returns the lines about an approval in a list. complete is false if they
// do not have everything that the request holds.
func approvalSummary(a *aureus.Approval, now time.Time, width int) (lines []string, complete bool) {
	add := func(indent, text string) { lines = append(lines, screen.Wrap(indent+screen.Line(text), width)...) }
	first := a.ID + "  " + named(a.Action.ID, a.Action.Name)
	if tier := string(a.RiskTier); tier != "" {
		first += ", " + tier + " risk"
	}
	if class := effectClass(a); class != "" {
		first += ", " + class
	}
	if a.ToolName != "" {
		first += ", tool " + a.ToolName
	}
	add("", first)
	who := named(a.Principal.ID, a.Principal.Type)
	if a.OnBehalfOf != "" {
		who += " on behalf of " + a.OnBehalfOf
	}
	if !a.HasPermission {
		who += ", which lacks a permission"
	}
	add("    ", who+", asked "+ageText(a.RequestedAt, now))
	add("    ", statusText(a, now)+": "+a.Reason)
	rows := append(requestRows(a), previewRows(a)...)
	complete = len(rows) <= maxSummaryRows && len(a.Redacted)+len(a.Escaped)+len(a.MayChange) == 0
	for _, row := range rows[:min(len(rows), maxSummaryRows)] {
		text := screen.Line(row[0] + " = " + row[1])
		complete = complete && screen.Width(text) <= maxSummaryText
		lines = append(lines, screen.Wrap("      "+screen.Cut(text, maxSummaryText), width)...)
	}
	if !complete {
		add("      ", "…  aureus approvals show "+a.ID+" displays the whole request")
	}
	return lines, complete
}

// maxRemedyEntries limits how many entries of the audit log are searched for the decision
// that asked.
const maxRemedyEntries = 200

// remedies returns what the policy bundle says about how the request would pass. It is
// empty if the decision that asked cannot be found.
func (s *seat) remedies(ctx context.Context, a *aureus.Approval) (remedies []string) {
	id, ok := s.askedBy(ctx, a)
	if !ok {
		return nil
	}
	details, err := s.client.Decision(ctx, id)
	if err != nil {
		return nil
	}
	for _, m := range details.Matched {
		if m.Remedy != "" && !m.Shadow && !slices.Contains(remedies, m.Remedy) && len(remedies) < 10 {
			remedies = append(remedies, m.Remedy)
		}
	}
	return remedies
}

// askedBy returns the decision that opened the approval.
func (s *seat) askedBy(ctx context.Context, a *aureus.Approval) (id aureus.DecisionID, ok bool) {
	at, ok := a.RequestedAt.Time()
	if !ok {
		return id, false
	}
	n := 0
	query := aureus.AuditQuery{
		Kind: "approval_requested", Principal: a.Principal.ID, Action: a.Action.ID,
		StartTime: aureus.TimestampOf(at.Add(-time.Minute)), EndTime: aureus.TimestampOf(at.Add(time.Minute)),
	}
	for entry, err := range s.client.Audit(ctx, query) {
		n++
		if err != nil || n > maxRemedyEntries {
			break
		}
		if entry.ApprovalID == a.ID {
			return entry.DecisionID, !entry.DecisionID.IsZero()
		}
	}
	return id, false
}

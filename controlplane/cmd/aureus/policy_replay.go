package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// replayed is what became of the recorded decisions.
type replayed struct {
	Decisions   int       `json:"decisions"`    // recorded in the log
	Flips       int       `json:"flips"`        // with another effect by the new bundle
	Unchanged   int       `json:"unchanged"`    // with the same effect
	NotReplayed int       `json:"not_replayed"` // which the log does not hold enough for
	WithInputs  int       `json:"with_inputs"`  // that have recorded inputs in the log
	Flipped     []flip    `json:"flipped"`      // the first 1,000 of them
	Lacking     []lacking `json:"lacking"`      // why decisions could not be replayed; at most 1,000 kinds
}

// flip is a recorded decision that the two bundles make in different ways.
type flip struct {
	Sequence   int64     `json:"sequence"` // of the entry
	Time       time.Time `json:"time"`
	DecisionID string    `json:"decision_id"`
	Principal  string    `json:"principal"`
	OnBehalfOf string    `json:"on_behalf_of,omitzero"`
	Action     string    `json:"action"`
	Old        outcome   `json:"old"`
	New        outcome   `json:"new"`
}

// logEntry is what a replay reads of a line of the log; see [aureus.AuditRecord]. The last
// line of an archive has none of it.
type logEntry struct {
	Sequence   int64             `json:"sequence,omitzero"`
	Timestamp  aureus.Timestamp  `json:"timestamp,omitzero"`
	Kind       string            `json:"kind,omitzero"`
	DecisionID aureus.DecisionID `json:"decision_id,omitzero"`
	Principal  string            `json:"principal,omitzero"`
	OnBehalfOf string            `json:"on_behalf_of,omitzero"`
	Action     string            `json:"action,omitzero"`
	Decision   string            `json:"decision,omitzero"`
	ReasonCode aureus.ReasonCode `json:"reason_code,omitzero"`
	ApprovalID string            `json:"approval_id,omitzero"`
	Details    map[string]any    `json:"details,omitzero"`

	Inputs []aureus.DecisionInput `json:"inputs,omitzero"`
}

// outcome is a decision by one bundle.
type outcome struct {
	Effect     string            `json:"effect"`
	ReasonCode aureus.ReasonCode `json:"reason_code"`
	Rule       string            `json:"rule"`
	Recorded   bool              `json:"recorded,omitzero"` // it is the decision of the log, because it could not be made again
}

func (o *outcome) because() string { return fmt.Sprintf("%s (%s)", o.ReasonCode, o.Rule) }

// lacking counts the decisions about an action that lack the same values.
type lacking struct {
	Action    string   `json:"action"`
	Missing   []string `json:"missing"`           // such as arguments.amount
	Withheld  []string `json:"withheld,omitzero"` // those of Missing that were recorded without their value
	Count     int      `json:"count"`
	Sequences []int64  `json:"sequences"` // of the first 10 of their entries
}

// entries lists the sequences.
func (l *lacking) entries() string {
	texts := make([]string, len(l.Sequences), len(l.Sequences)+1)
	for i, n := range l.Sequences {
		texts[i] = strconv.FormatInt(n, 10)
	}
	if l.Count > len(l.Sequences) {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}

// names lists what is missing, and says which of it was recorded without its value.
func (l *lacking) names() string {
	names := slices.Clone(l.Missing)
	for i, name := range names {
		if slices.Contains(l.Withheld, name) {
			names[i] = name + " (recorded without its value)"
		}
	}
	return strings.Join(names, ", ")
}

const (
	maxListed  = 1000
	maxEntries = 10
	maxLogLine = 16 << 20 // bytes
)

// replayer decides recorded requests by two bundles.
type replayer struct {
	old, next *policy.Bundle
	same      map[string]bool // the actions about which both bundles say the same, to the same principals
	result    replayed
	lacking   map[string]*lacking
}

// replayLog reads an export of an audit log, and decides its requests by both bundles.
func replayLog(ctx context.Context, file string, old, next *policy.Bundle, changes []policy.Change) (*replayed, error) {
	in := os.Stdin
	if file != "-" {
		opened, err := os.Open(file) //nolint:gosec // the user's own path
		if err != nil {
			return nil, err
		}
		defer func() { _ = opened.Close() }() // it was only read
		in = opened
	}
	r := replayer{old: old, next: next, same: sameActions(old, next, changes), lacking: map[string]*lacking{}}
	r.result.Flipped, r.result.Lacking = []flip{}, []lacking{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLogLine)
	for number := 1; lines.Scan(); number++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var entry logEntry
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := strictjson.Unmarshal(lines.Bytes(), &entry); err != nil {
			return nil, fmt.Errorf("line %d is not an entry of an audit log: %w", number, err)
		}
		if entry.Kind == "decision" {
			r.replay(ctx, &entry)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for _, l := range r.lacking {
		r.result.Lacking = append(r.result.Lacking, *l)
	}
	slices.SortFunc(r.result.Lacking, func(x, y lacking) int {
		return cmp.Or(y.Count-x.Count, cmp.Compare(x.Action, y.Action), slices.Compare(x.Missing, y.Missing), slices.Compare(x.Withheld, y.Withheld))
	})
	return &r.result, nil
}

// sameActions lists the actions that both bundles decide in the same way: neither the
// action, nor what concerns it, nor any role has changed.
func sameActions(old, next *policy.Bundle, changes []policy.Change) map[string]bool {
	same := map[string]bool{}
	for _, change := range changes {
		switch change.Kind {
		case "role", "grant", "principal", "assign":
			return same
		}
	}
	statement := func(a policy.ActionInfo) string { // without the name of the bundle
		return a.PolicyVersion[strings.LastIndexByte(a.PolicyVersion, '@')+1:]
	}
	before := map[string]string{}
	for _, a := range old.Actions() {
		before[a.ID] = statement(a)
	}
	for _, a := range next.Actions() {
		same[a.ID] = before[a.ID] == statement(a)
	}
	return same
}

// replay decides one recorded request by both bundles.
func (r *replayer) replay(ctx context.Context, entry *logEntry) {
	r.result.Decisions++
	request, at := requestOf(entry)
	if len(entry.Inputs) > 0 {
		r.result.WithInputs++
	}
	was, missing := r.old.Replay(ctx, request, at, entry.Inputs...)
	now, missingNow := r.next.Replay(ctx, request, at, entry.Inputs...)
	before, known := outcomeOf(&was), missing == nil
	if !known {
		before, known = recordedOutcome(entry, r.old)
	}
	switch {
	case known && missingNow == nil && before.Effect != now.Effect.String():
		r.result.Flips++
		if len(r.result.Flipped) < maxListed {
			r.result.Flipped = append(r.result.Flipped, flip{
				Sequence: entry.Sequence, Time: at, DecisionID: entry.DecisionID.String(), Principal: entry.Principal, OnBehalfOf: entry.OnBehalfOf,
				Action: entry.Action, Old: before, New: outcomeOf(&now),
			})
		}
	case known && missingNow == nil, r.same[entry.Action]:
		r.result.Unchanged++
	default:
		r.result.NotReplayed++
		r.lack(entry, append(missing, missingNow...))
	}
}

// lack counts an entry of which the values at missing are not known.
func (r *replayer) lack(entry *logEntry, missing []string) {
	slices.Sort(missing)
	missing = slices.Compact(missing)
	var withheld []string
	for _, in := range entry.Inputs {
		if (in.Status == vocab.InputRedacted || in.Status == vocab.InputTooLarge) && slices.Contains(missing, in.Name) {
			withheld = append(withheld, in.Name)
		}
	}
	slices.Sort(withheld)
	key := strings.Join([]string{entry.Action, strings.Join(missing, "\n"), strings.Join(withheld, "\n")}, "\n\n")
	l := r.lacking[key]
	if l == nil {
		if len(r.lacking) >= maxListed {
			return
		}
		l = &lacking{Action: entry.Action, Missing: missing, Withheld: withheld, Sequences: []int64{}}
		r.lacking[key] = l
	}
	l.Count++
	if len(l.Sequences) < maxEntries {
		l.Sequences = append(l.Sequences, entry.Sequence)
	}
}

// requestOf returns what an entry holds of a request, in the form of [policy.Bundle.Replay].
func requestOf(entry *logEntry) (request aureus.Request, at time.Time) {
	detail := func(name string) string {
		text, _ := entry.Details[name].(string)
		return text
	}
	at = entry.DecisionID.Time()
	if entry.DecisionID.IsZero() {
		at, _ = entry.Timestamp.Time()
	}
	request = aureus.Request{
		Principal: aureus.Principal{ID: entry.Principal}, OnBehalfOf: entry.OnBehalfOf,
		Action: aureus.Action{ID: entry.Action}, Tool: detail("tool_name"),
	}
	if detail("source") != "evaluated" { // by the control plane itself; other entries have less
		return request, at
	}
	const clipped = "…" // at the end of a path that was too long for the log
	if path := detail("path"); !strings.HasSuffix(path, clipped) {
		request.HTTP = &aureus.HTTPCall{Method: detail("method"), Path: path}
	}
	if detail("arguments_digest") == "" {
		request.Arguments = map[string]any{}
	}
	return request, at
}

func outcomeOf(d *aureus.Decision) outcome {
	return outcome{Effect: d.Effect.String(), ReasonCode: d.ReasonCode, Rule: d.Rule}
}

// recordedOutcome returns the decision of the log, if the old bundle has made it without
// budgets, stops and people.
func recordedOutcome(entry *logEntry, old *policy.Bundle) (outcome, bool) {
	bundle, _ := entry.Details["bundle"].(string)
	rule, _ := entry.Details["rule"].(string)
	if bundle != labelOf(old) || entry.ReasonCode == aureus.ReasonStopped || entry.ReasonCode == aureus.ReasonBudgetExceeded {
		return outcome{}, false
	}
	made := outcome{Effect: entry.Decision, ReasonCode: entry.ReasonCode, Rule: rule, Recorded: true}
	if entry.ApprovalID != "" { // a person was asked, whatever the answer
		made.Effect = aureus.RequireApproval.String()
	}
	return made, true
}

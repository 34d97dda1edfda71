package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/guard/policy"
)

// comparison is the result of policy diff in JSON. Scripts depend on it: fields may be
// added, but never renamed or removed.
type comparison struct {
	Old     string          `json:"old"` // name/version
	New     string          `json:"new"`
	Changes []policy.Change `json:"changes"`
	Notes   []string        `json:"notes"` // of the new bundle
	Replay  *replayed       `json:"replay,omitzero"`
}

// policyDiff compares two bundles, and decides recorded requests by both.
func policyDiff(ctx context.Context, c *policyCommand) error {
	against := c.flags.String("against", "", "the `file` with an export of the audit log (JSON lines), whose decisions are made again by both bundles; - reads standard input")
	fail := c.flags.Bool("fail-on-flip", false, "fail if a recorded decision has another effect by the new bundle; needs --against")
	if err := c.parse("OLD", "NEW"); err != nil {
		return err
	}
	if *fail && *against == "" {
		return errors.New("--fail-on-flip needs --against, the file with the recorded decisions")
	}
	if c.given("against") && *against == "" {
		return errors.New("--against must name a file")
	}
	old, err := c.readBundle(0)
	if err != nil {
		return err
	}
	next, err := c.readBundle(1)
	if err != nil {
		return err
	}
	result := comparison{Old: labelOf(old), New: labelOf(next), Changes: next.ChangesSince(old), Notes: append([]string{}, next.Notes()...)}
	if *against != "" {
		if result.Replay, err = replayLog(ctx, *against, old, next, result.Changes); err != nil {
			return fmt.Errorf("--against: %w", err)
		}
	}
	if c.out.json {
		err = c.out.print(result)
	} else {
		err = c.printComparison(&result)
	}
	if err == nil && *fail && result.Replay.Flips > 0 {
		err = fmt.Errorf("%d of %d recorded decisions have another effect by %s", result.Replay.Flips, result.Replay.Decisions, result.New)
	}
	return err
}

// readBundle reads the bundle that an argument names.
func (c *policyCommand) readBundle(argument int) (*policy.Bundle, error) {
	bundle, err := readUntested(c.flags.Arg(argument), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.flags.Arg(argument), err)
	}
	return bundle, nil
}

func (c *policyCommand) printComparison(result *comparison) error {
	if err := c.printf("%s → %s: %d changes\n", result.Old, result.New, len(result.Changes)); err != nil {
		return err
	}
	if err := c.printChanges(result.Changes, result.Notes); err != nil || result.Replay == nil {
		return err
	}
	return c.printReplay(result.Replay)
}

// printChanges lists changes, and then the notes of the new bundle.
func (c *policyCommand) printChanges(changes []policy.Change, notes []string) error {
	line := func(n int) string {
		if n == 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	rows := [][]string{{"CHANGE", "KIND", "NAME", "OLD LINE", "NEW LINE"}}
	for _, change := range changes {
		rows = append(rows, []string{change.Change, change.Kind, change.Name, line(change.OldLine), line(change.NewLine)})
	}
	if len(changes) > 0 {
		if err := c.tableWithDetails(rows, func(n int) []string {
			if n == 0 {
				return nil
			}
			return changes[n-1].Details
		}); err != nil {
			return err
		}
	}
	for _, note := range notes {
		if err := c.wrapped("  note: " + shown(note)); err != nil {
			return err
		}
	}
	return nil
}

// printReplay lists the recorded decisions that flip, and those that could not be made
// again.
func (c *policyCommand) printReplay(r *replayed) error {
	if err := c.printf("\nReplay of %d recorded decisions: %d flip, %d do not, %d could not be replayed. Budgets, stops and what people decided are not replayed.\n",
		r.Decisions, r.Flips, r.Unchanged, r.NotReplayed); err != nil {
		return err
	}
	if len(r.Flipped) > 0 {
		rows := [][]string{{"ENTRY", "TIME", "PRINCIPAL", "ACTION", "OLD", "NEW"}}
		for _, f := range r.Flipped {
			rows = append(rows, []string{
				strconv.FormatInt(f.Sequence, 10), f.Time.UTC().Format(time.RFC3339), f.Principal, f.Action,
				f.Old.Effect, f.New.Effect,
			})
		}
		because := func(n int) []string { // in lines of their own, because they are long
			if n == 0 {
				return nil
			}
			f := &r.Flipped[n-1]
			return []string{f.Old.because() + " → " + f.New.because()}
		}
		if err := c.tableWithDetails(rows, because); err != nil {
			return err
		}
	}
	if len(r.Flipped) < r.Flips {
		if err := c.printf("  and %d more\n", r.Flips-len(r.Flipped)); err != nil {
			return err
		}
	}
	if len(r.Lacking) == 0 {
		return nil
	}
	rows := [][]string{{"NOT REPLAYED", "ACTION", "ENTRIES", "THE LOG LACKS"}}
	for n := range r.Lacking {
		l := &r.Lacking[n]
		rows = append(rows, []string{strconv.Itoa(l.Count), l.Action, l.entries(), l.names()})
	}
	if err := c.table(rows); err != nil || r.WithInputs > 0 {
		return err
	}
	return c.printf("%s", "  The log has no recorded inputs: aureus serve --record-inputs names what is recorded, and an export with ?inputs=true has it.\n")
}

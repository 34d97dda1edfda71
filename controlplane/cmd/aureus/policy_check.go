package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/guard/policy"
)

// checkedFile is the result of policy check for one file, in JSON. Scripts depend on it:
// fields may be added, but never renamed or removed.
type checkedFile struct {
	File     string         `json:"file"`
	OK       bool           `json:"ok"`
	Problems []filePosition `json:"problems"` // why the bundle does not load, failed tests included
	Notes    []string       `json:"notes"`    // what a reader should know; see policy.Bundle.Notes
	Report   *policy.Report `json:"report,omitzero"`
}

type filePosition struct {
	Line    int    `json:"line,omitzero"`
	Column  int    `json:"column,omitzero"`
	Message string `json:"message"`
}

func policyCheck(ctx context.Context, c *policyCommand) error {
	strict := c.flags.Bool("strict", false, "fail if a part of the bundle could be removed without a test that fails")
	all := c.flags.Bool("all", false, "list all parts, also those that a test notices")
	keyFile := c.flags.String("key", "", "the `file` with the Ed25519 public keys (PEM) of which one must have signed each bundle, in FILE.sig")
	if err := c.parse("FILE..."); err != nil {
		return err
	}
	if c.given("key") && *keyFile == "" {
		return errors.New("--key must name a file")
	}
	keys, err := policyKeys("--key", *keyFile)
	if err != nil {
		return err
	}
	files, failed := []checkedFile{}, 0
	for _, file := range c.flags.Args() {
		checked := checkFile(ctx, file, keys, *strict)
		if !checked.OK {
			failed++
		}
		files = append(files, checked)
	}
	if c.out.json {
		err = c.out.print(files)
	} else {
		for n := range files {
			err = errors.Join(err, c.printChecked(&files[n], *all))
		}
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d bundles did not pass the check", failed, len(files))
	}
	return err
}

// checkFile checks one bundle.
func checkFile(ctx context.Context, file string, keys []ed25519.PublicKey, strict bool) checkedFile {
	checked := checkedFile{File: file, Problems: []filePosition{}, Notes: []string{}}
	bundle, err := readUntested(file, keys)
	if err != nil {
		checked.Problems = problemsOf(err)
		return checked
	}
	report := bundle.Check(ctx)
	checked.Report, checked.Notes = &report, append(checked.Notes, bundle.Notes()...)
	for _, test := range report.Tests {
		if test.Failure != "" {
			checked.Problems = append(checked.Problems, filePosition{test.Line, test.Column, fmt.Sprintf("the test %q fails: %s", test.Name, test.Failure)})
		}
	}
	if report.Incomplete != "" {
		checked.Problems = append(checked.Problems, filePosition{Message: report.Incomplete})
	}
	checked.OK = len(checked.Problems) == 0 && !(strict && len(report.Unnoticed) > 0)
	return checked
}

// maxBundleFile is the maximum number of bytes that are read of a bundle: one more than a
// bundle may have, so that package policy reports what is too large.
const maxBundleFile = 4<<20 + 1

// readUntested reads a bundle without running its tests, and checks its signature if
// there are keys.
func readUntested(file string, keys []ed25519.PublicKey) (*policy.Bundle, error) {
	text, err := readBounded(file, maxBundleFile)
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		signature, err := readSignature(file)
		if err != nil {
			return nil, fmt.Errorf("%s has no signature that can be read: %w", file, err)
		}
		_, err = policy.ParseSigned(text, signature, keys...)
		if errors.Is(err, policy.ErrSignature) {
			return nil, err
		}
	}
	return policy.ParseUntested(text)
}

// readBounded reads at most limit bytes of a file, or of standard input if it is "-".
func readBounded(file string, limit int64) (text []byte, err error) {
	in := os.Stdin
	if file != "-" {
		if in, err = os.Open(file); err != nil { //nolint:gosec // the user's own path
			return nil, err
		}
		defer func() { _ = in.Close() }() // it was only read
	}
	return io.ReadAll(io.LimitReader(in, limit))
}

// problemsOf returns the problems of an error of package policy.
func problemsOf(err error) []filePosition {
	failure, ok := errors.AsType[*policy.LoadError](err)
	if !ok {
		return []filePosition{{Message: err.Error()}}
	}
	problems := make([]filePosition, len(failure.Problems))
	for n, p := range failure.Problems {
		problems[n] = filePosition{p.Line, p.Column, p.Message}
	}
	return problems
}

// printChecked writes the problems of a file as file:line:column, so that editors find
// the place, and then what its tests show.
func (c *policyCommand) printChecked(checked *checkedFile, all bool) error {
	var text strings.Builder
	for _, p := range checked.Problems {
		place := checked.File
		if p.Line > 0 {
			place += fmt.Sprintf(":%d:%d", p.Line, p.Column)
		}
		fmt.Fprintf(&text, "%s: %s\n", place, shown(p.Message))
	}
	report := checked.Report
	if report == nil {
		return c.printf("%s", text.String())
	}
	passed, reached := 0, 0
	for _, test := range report.Tests {
		if test.Failure == "" {
			passed++
		}
	}
	for _, part := range report.Parts {
		if part.Applied > 0 {
			reached++
		}
	}
	fmt.Fprintf(&text, "%s: %s: %d of %d tests pass; %d of %d parts apply in a test; %d would not be missed\n",
		checked.File, report.Bundle, passed, len(report.Tests), reached, len(report.Parts), len(report.Unnoticed))
	for _, note := range checked.Notes {
		fmt.Fprintf(&text, "  note: %s\n", shown(note))
	}
	if err := c.printf("%s", text.String()); err != nil {
		return err
	}
	parts, heading := report.Unnoticed, "NO TEST WOULD MISS"
	if all {
		parts, heading = report.Parts, "PART"
	}
	if len(parts) == 0 {
		return nil
	}
	rows := [][]string{{"PLACE", "KIND", heading, "TESTS", "APPLIED", "NOTICED BY"}}
	for _, p := range parts {
		noticed := strings.Join(p.NoticedBy, ", ")
		if noticed == "" {
			noticed = "-"
		}
		name := p.Name
		if p.Shadow {
			name += " (shadow)"
		}
		rows = append(rows, []string{fmt.Sprintf("%d:%d", p.Line, p.Column), p.Kind, name, strconv.Itoa(p.Considered), strconv.Itoa(p.Applied), noticed})
	}
	return c.table(rows)
}

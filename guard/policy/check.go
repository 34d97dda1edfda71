package policy

import (
	"context"
	"fmt"
	"slices"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// Report says what the tests of a bundle show. [Bundle.Check] makes it.
type Report struct {
	Bundle string       `json:"bundle"` // name/version
	Tests  []TestResult `json:"tests"`  // in the order of the text
	Parts  []Part       `json:"parts"`  // what a test could notice, in the order of the text

	// Unnoticed lists the parts that could be removed without a test that fails. The
	// bundle may then change at this place by mistake.
	Unnoticed []Part `json:"unnoticed"`

	// Incomplete says why the report does not cover everything; it is empty if it does.
	Incomplete string `json:"incomplete,omitempty"`
}

// OK reports whether all tests pass, and each part is noticed by one of them.
func (r Report) OK() bool {
	return r.Incomplete == "" && len(r.Unnoticed) == 0 && !slices.ContainsFunc(r.Tests, func(t TestResult) bool { return t.Failure != "" })
}

// TestResult is the result of one test of a bundle.
type TestResult struct {
	Name    string `json:"name"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Effect  string `json:"effect"` // of the decision
	Code    string `json:"code"`
	Rule    string `json:"rule"`
	Failure string `json:"failure,omitempty"` // how the decision differs from the one that the test wants
}

// Part is a part of a bundle that a decision may depend on: a rule, a budget, a grant, an
// entry of tier_when or an entry of assign.
type Part struct {
	Kind   string `json:"kind"` // rule, budget, grant, tier_when or assign
	Name   string `json:"name"` // for people: the id, or what it says
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Shadow bool   `json:"shadow,omitempty"` // a rule that is reported and changes nothing

	// Considered is the number of tests that the part might apply to, and Applied the
	// number of those that it applied to: the rule's condition was true, the budget was
	// exceeded, the grant gave a permission, the entry selected the tier or gave the role.
	Considered int `json:"considered"`
	Applied    int `json:"applied"`

	// NoticedBy names tests that fail without the part, at most three.
	NoticedBy []string `json:"noticed_by"`
}

const (
	maxNoticedBy = 3
	maxCheckWork = 3_000_000 // evaluations of tests and rules, after which Check stops: some seconds
)

// Check runs the tests of the bundle and finds out what they show: which parts of the
// bundle they reach, and which parts could be removed without a test that fails. To find
// these, it removes one part at a time from a copy, and runs the tests that reach it. The
// effort grows with the number of parts and of the tests for each; after three million
// evaluations of a test or a rule, or when the context is done, the report is incomplete.
func (b *Bundle) Check(ctx context.Context) Report {
	report := Report{Bundle: b.label, Tests: []TestResult{}, Parts: []Part{}, Unnoticed: []Part{}}
	document, problems := syntax.Parse(b.text)
	if len(problems) > 0 { // cannot happen: the text was parsed before
		report.Incomplete = "the text of the bundle cannot be read again: " + problems[0].Message
		return report
	}
	mutable, _ := compile(document, b.text)
	c := checker{ctx: ctx, bundle: mutable}
	c.listParts(document)
	for n := range mutable.tests {
		if ctx.Err() != nil {
			break
		}
		report.Tests = append(report.Tests, c.runTest(n))
	}
	for n := range c.parts {
		c.removePart(c.parts[n])
	}
	for n := range c.parts {
		part := c.parts[n].Part
		report.Parts = append(report.Parts, part)
		if len(part.NoticedBy) == 0 {
			report.Unnoticed = append(report.Unnoticed, part)
		}
	}
	switch {
	case ctx.Err() != nil:
		report.Incomplete = fmt.Sprintf("the check was stopped: %v", context.Cause(ctx))
	case c.work >= maxCheckWork:
		report.Incomplete = fmt.Sprintf("the check stopped after %d evaluations: make the bundle smaller", maxCheckWork)
	}
	return report
}

// checker checks a copy of a bundle, which it changes.
type checker struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one call of Check
	bundle *Bundle
	parts  []*part
	tested []*action // by the test; nil if it names none that is decided about
	failed []bool    // by the test, on the complete bundle
	work   int       // evaluations so far

	rules   map[*rule]*part
	budgets map[*budget]*part
	grants  map[*grant]*part
	tiers   map[*action][]*part // by the entry of tier_when
	assign  []*part
}

// part is a part with what is needed to remove it.
type part struct {
	Part

	tests   []int // that reach it
	applied int   // Considered when Applied was counted last
	remove  func() (restore func())
}

// runTest runs one test on the complete bundle, and notes which parts it reaches.
func (c *checker) runTest(n int) TestResult {
	t := &c.bundle.tests[n]
	decision, failure := t.run(c.ctx, c.bundle)
	c.failed = append(c.failed, failure != "")
	c.trace(n, &decision)
	c.work += c.effort(n)
	return TestResult{
		Name: t.name, Line: t.at.Line, Column: t.at.Column, Failure: failure,
		Effect: decision.Effect.String(), Code: string(decision.ReasonCode), Rule: decision.Rule,
	}
}

// removePart finds out which tests fail without the part, and pass with it.
func (c *checker) removePart(p *part) {
	if len(p.tests) == 0 || c.ctx.Err() != nil || c.work >= maxCheckWork {
		return
	}
	restore := p.remove()
	defer restore()
	for _, n := range p.tests {
		if len(p.NoticedBy) == maxNoticedBy || c.ctx.Err() != nil || c.work >= maxCheckWork {
			return
		}
		if c.failed[n] {
			continue
		}
		t := &c.bundle.tests[n]
		c.work += c.effort(n)
		if _, failure := t.run(c.ctx, c.bundle); failure != "" && c.ctx.Err() == nil {
			p.NoticedBy = append(p.NoticedBy, t.name)
		}
	}
}

// effort is about how much a run of the test evaluates.
func (c *checker) effort(n int) int {
	if a := c.tested[n]; a != nil {
		return 1 + len(a.conditional)
	}
	return 1
}

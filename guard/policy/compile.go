package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/celx"
)

// compiler compiles one document.
type compiler struct {
	document *syntax.Document
	bundle   *Bundle
	problems []Problem

	roleNumbers   map[string]int
	exactGrants   map[grantKey]*grantGroup   // grants without wildcards and variables
	exactByAction map[string][]*grantGroup   // the same, by action
	patternGrants []*grantGroup              // all others
	conditions    map[string]*celx.Condition // by their text; nil if it does not compile
	numbers       map[string]int             // of the conditions, by their text
	names         map[string]*nameTree       // by the expressions that read them
	reads         int                        // in all of names
	sorted        []*action                  // by id
	uses          []use                      // of the conditions of rules
}

func (c *compiler) problemf(at syntax.Pos, format string, values ...any) {
	c.problems = append(c.problems, Problem{Line: at.Line, Column: at.Column, Message: fmt.Sprintf(format, values...)})
}

// compile compiles a document. The bundle can be used only if there are no problems.
func compile(document *syntax.Document, text []byte) (*Bundle, []Problem) {
	c := &compiler{
		document: document, conditions: map[string]*celx.Condition{}, exactByAction: map[string][]*grantGroup{},
		numbers: map[string]int{}, names: map[string]*nameTree{},
		bundle: &Bundle{
			text: bytes.Clone(text), digest: sha256.Sum256(text), name: document.Name.Value, version: document.Version.Value,
			maxAge: document.MaxAge.Value, params: document.Params.Value, answers: defaultAnswers,
		},
	}
	b := c.bundle
	b.label = b.name + "/" + strconv.FormatInt(b.version, 10)
	b.phrases = phrasesOf(b.label)
	b.undefined = b.name + "@" + hashJSON(b.digest[:])
	if b.params == nil {
		b.params = map[string]any{}
	}
	left := smallParams
	weigh(b.params, &left)
	b.largeParams = left < 0
	c.compileRoles()
	c.compilePrincipals()
	c.groupGrants()
	c.compileTiers()
	c.compileActions()
	c.compileRules()
	c.compileBudgets()
	c.checkTypes()
	for _, a := range b.order {
		c.finishAction(a)
	}
	c.compileTests()
	b.table = b.makeRoutes()
	b.size = c.measure()
	return b, c.problems
}

// compileTiers fills in the answers for the tiers, and what happens while the decider
// cannot be asked.
func (c *compiler) compileTiers() {
	for _, source := range c.document.Tiers {
		var effect aureus.Effect
		if err := effect.UnmarshalText([]byte(source.Answer.Value)); err != nil {
			c.problemf(source.Answer.Pos, "the answer %q is unknown: write allow, require_approval or deny", source.Answer.Value)
		}
		c.bundle.answers[tierOf(source.Tier.Value)] = effect
	}
	for t := range c.bundle.byTier {
		c.bundle.byTier[t] = c.bundle.answerFor(tier(t))
	}
	for _, source := range c.document.OnUnavailable {
		if !source.Refuse && source.Tier.Value == string(aureus.TierLow) {
			c.bundle.lastAllow = source.LastAllow.Value
		}
	}
}

// joinProblems returns the problems of the form and those of the meaning, in the order of
// the text. Where the form is wrong, the meaning is not reported too.
func joinProblems(form, meaning []Problem) []Problem {
	joined := slices.Clone(form)
	for _, p := range meaning {
		if !slices.ContainsFunc(form, func(f Problem) bool { return f.Line == p.Line && f.Column == p.Column }) {
			joined = append(joined, p)
		}
	}
	slices.SortStableFunc(joined, func(x, y Problem) int {
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
	return joined
}

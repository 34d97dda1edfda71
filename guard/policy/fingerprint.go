package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/celx"
)

// statement is everything that a bundle says about an action and that an approval
// depends on. Grants are not part of it, because permissions are checked again whenever
// an approval is used; neither are rules in shadow mode, which change nothing, nor the
// texts for people.
type statement struct {
	Definition aureus.Action
	Arguments  []string
	Routes     []string
	Answers    []string
	TierWhen   [][2]string
	Rules      [][3]string
	Budgets    []budgetStatement
	Terms      aureus.ApprovalTerms
	Schema     map[string]any
	Params     map[string]any // only if a condition reads them
}

type budgetStatement struct{ ID, Per, Window, Sum, Limit string }

// fingerprintDigits is the number of hexadecimal digits of a fingerprint.
const fingerprintDigits = 16

// fingerprint returns the fingerprint of the action: it is the same in two versions of a
// bundle that say the same about the action.
func (c *compiler) fingerprint(a *action) string {
	s := statement{Definition: a.definition, Arguments: a.sources, Routes: a.routes, Terms: a.terms, Schema: a.schemaSource}
	readsParams := false
	note := func(when *condition) string {
		if when == nil {
			return ""
		}
		readsParams = readsParams || when.program.Reads(celx.VarParams)
		return when.text
	}
	for _, effect := range c.bundle.answers {
		s.Answers = append(s.Answers, effect.String())
	}
	for _, t := range a.tierWhen {
		s.TierWhen = append(s.TierWhen, [2]string{note(t.when), string(tierWords[t.tier])})
	}
	for _, r := range a.matched {
		if !r.match.Shadow {
			s.Rules = append(s.Rules, [3]string{r.id, r.match.Effect, note(r.when)})
		}
	}
	slices.SortFunc(s.Rules, func(x, y [3]string) int { return slices.Compare(x[:], y[:]) }) // their order has no meaning
	for _, b := range a.budgets {
		text := ""
		if b.sum != nil {
			text = b.sum.text
			readsParams = readsParams || b.sum.program.Reads(celx.VarParams)
		}
		s.Budgets = append(s.Budgets, budgetStatement{b.id, b.per, b.window.String(), text, formatAmount(b.limit)})
	}
	slices.SortFunc(s.Budgets, func(x, y budgetStatement) int { return cmp.Compare(x.ID, y.ID) })
	if readsParams {
		s.Params = c.bundle.params
	}
	return hashJSON(s)
}

// hashJSON returns the beginning of the SHA-256 of the value's JSON, in which the names
// of objects are sorted.
func hashJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // cannot happen: the value consists of texts, numbers and free-form JSON
		panic("policy: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:fingerprintDigits]
}

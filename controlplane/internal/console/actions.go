package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	actionsPage = 100 // actions on one page
	maxListed   = 20  // routes, tools, roles or rules of an action that its row lists
	maxFilter   = 200 // bytes of the text that actions are filtered by
)

// actionTable is the part of a bundle's actions that the page shows.
type actionTable struct {
	Rows   []actionRow
	Filter string // a part of an id or a name; empty shows all
	All    int    // how many actions the filter selects
	Pager  pager
}

// actionRow describes an action of the bundle. Its lists have at most maxListed entries.
type actionRow struct {
	policy.ActionInfo

	TierWords []string // that it may have, the lowest first; open for an open action
	Asks      string   // when a person is asked
	Terms     []string // of an approval that differ from the default
	Needs     []string // the required permissions
	RuleLinks []ruleLink

	MoreWays, MoreRoles, MoreNeeds, MoreRules int // that are not listed
}

// ruleLink names a rule or a budget and its line in the text.
type ruleLink struct {
	ID   string
	Line int
	Note string
}

// actionsIn returns the actions that the query of the request selects.
func actionsIn(r *http.Request, b *policy.Bundle) (table actionTable, err error) {
	from, err := numberIn(r, "from")
	if err != nil {
		return table, err
	}
	table.Filter = queryText(r, "q")
	if len(table.Filter) > maxFilter {
		return table, web.BadQuery("q", "must have at most "+strconv.Itoa(maxFilter)+" bytes")
	}
	part := strings.ToLower(table.Filter)
	for a := range b.EachAction() {
		if part != "" && !strings.Contains(strings.ToLower(a.ID), part) && !strings.Contains(strings.ToLower(a.Name), part) {
			continue
		}
		if int64(table.All) >= from && len(table.Rows) < actionsPage {
			table.Rows = append(table.Rows, rowOf(b, a))
		}
		table.All++
	}
	table.Pager = pager{BeforeName: "Earlier actions", NextName: "Further actions"}
	if table.All > actionsPage && len(table.Rows) > 0 {
		table.Pager.Shown = strconv.FormatInt(from+1, 10) + " to " + strconv.FormatInt(from+int64(len(table.Rows)), 10) + " of " + strconv.Itoa(table.All)
	}
	link := func(from int64) string {
		return "?" + url.Values{"q": {table.Filter}, "from": {strconv.FormatInt(from, 10)}}.Encode() + "#actions"
	}
	if from > 0 {
		table.Pager.Before = link(max(0, from-actionsPage))
	}
	if next := from + actionsPage; next < int64(table.All) {
		table.Pager.After = link(next)
	}
	return table, nil
}

func rowOf(b *policy.Bundle, a policy.ActionInfo) actionRow {
	row := actionRow{ActionInfo: a, TierWords: tiersOf(a), Asks: asksText(a), Terms: termTexts(a.Approval)}
	var moreRoutes, moreTools, moreBudgets int
	row.Routes, moreRoutes = firstOf(a.Routes)
	row.Tools, moreTools = firstOf(a.Tools)
	row.MoreWays = moreRoutes + moreTools
	row.Roles, row.MoreRoles = firstOf(a.Roles)
	row.Requires, row.MoreNeeds = firstOf(a.Requires)
	row.Needs = requireTexts(row.Requires)
	row.Rules, row.MoreRules = firstOf(a.Rules)
	for _, id := range row.Rules {
		link := ruleLink{ID: id, Line: b.Line(id)}
		if slices.Contains(a.ShadowRules, id) {
			link.Note = "shadow"
		}
		row.RuleLinks = append(row.RuleLinks, link)
	}
	row.Budgets, moreBudgets = firstOf(a.Budgets)
	for _, id := range row.Budgets {
		row.RuleLinks = append(row.RuleLinks, ruleLink{ID: id, Line: b.Line(id), Note: "budget"})
	}
	row.MoreRules += moreBudgets
	return row
}

// firstOf returns the first maxListed items, and how many more there are.
func firstOf[T any](list []T) (first []T, more int) {
	n := min(len(list), maxListed)
	return list[:n], len(list) - n
}

func tiersOf(a policy.ActionInfo) (words []string) {
	if a.Open {
		return []string{"open"}
	}
	for _, t := range []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierMedium, aureus.TierHigh, aureus.TierCritical} {
		if t == a.Tier || slices.Contains(a.Tiers, t) {
			words = append(words, string(t))
		}
	}
	return words
}

func asksText(a policy.ActionInfo) string {
	switch {
	case a.NeedsPerson:
		return "always"
	case a.MayNeedPerson:
		return "if a condition asks"
	}
	return "never"
}

func termTexts(terms aureus.ApprovalTerms) (texts []string) {
	if terms.Quorum > 1 {
		texts = append(texts, strconv.Itoa(terms.Quorum)+" people")
	}
	if len(terms.Roles) > 0 {
		texts = append(texts, "role "+strings.Join(terms.Roles, " or "))
	}
	if terms.DecideWithin > 0 {
		texts = append(texts, "decide within "+durationOf(terms.DecideWithin))
	}
	if terms.UseWithin > 0 {
		texts = append(texts, "use within "+durationOf(terms.UseWithin))
	}
	return texts
}

func requireTexts(list []aureus.Permission) (texts []string) {
	for _, p := range list {
		text := p.Action + " on " + p.Resource
		if p.Intent != "" {
			text += ", intent " + string(p.Intent)
		}
		if p.DataZone != "" {
			text += ", zone " + string(p.DataZone)
		}
		if len(p.Conditions) > 0 {
			conditions, err := strictjson.MarshalText(p.Conditions)
			if err != nil {
				conditions = []byte("conditions that have no JSON form")
			}
			text += ", if " + string(conditions)
		}
		texts = append(texts, text)
	}
	return texts
}

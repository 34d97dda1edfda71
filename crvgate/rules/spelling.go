package rules

import (
	"slices"
	"strings"
)

// The standard takes every keyword that it does not know for a remark, so that a
// misspelt limit bounds nothing. Here such a one is refused.

// checking are the keywords of 2020-12 that check something, or hold schemas that
// do, and dependencies, which older drafts have and the library still checks.
var checking = strings.Fields(`
	$ref $dynamicRef allOf anyOf oneOf not if then else dependentSchemas prefixItems items contains
	properties patternProperties additionalProperties propertyNames unevaluatedItems unevaluatedProperties
	type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum
	maxLength minLength pattern maxItems minItems uniqueItems maxContains minContains
	maxProperties minProperties required dependentRequired dependencies format`)

// remarking are those that check nothing.
var remarking = strings.Fields(`
	$schema $id $anchor $dynamicAnchor $vocabulary $comment $defs definitions
	title description default deprecated readOnly writeOnly examples
	contentEncoding contentMediaType contentSchema`)

// replaced are keywords of older drafts that check nothing in 2020-12, and what
// to write instead.
var replaced = map[string]string{
	"additionalItems":  "write prefixItems for the first items, and items for the others",
	"$recursiveRef":    "write $dynamicRef",
	"$recursiveAnchor": "write $dynamicAnchor",
	"divisibleBy":      "write multipleOf",
	"disallow":         "write not",
	"extends":          "write allOf",
}

// folded finds keywords by their names in lower case, without what joins words.
var folded = func() map[string]string {
	names := map[string]string{}
	for _, name := range slices.Concat(checking, remarking) {
		names[fold(name)] = name
	}
	return names
}()

func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// meantBy says what to write instead of a name that looks like a keyword and is
// none. It is empty for keywords and for remarks.
func meantBy(name string) string {
	const remark = "x-"
	if strings.HasPrefix(name, remark) || slices.Contains(checking, name) || slices.Contains(remarking, name) {
		return ""
	}
	if advice := replaced[name]; advice != "" {
		return advice
	}
	if keyword := folded[fold(name)]; keyword != "" {
		return "write " + keyword
	}
	for _, keyword := range checking {
		if isNear(fold(name), fold(keyword)) {
			return "write " + keyword + ", or " + remark + name + " where it is a remark"
		}
	}
	return ""
}

// isNear reports whether a name is a keyword with a slip of the pen, or two in a
// long one.
func isNear(name, keyword string) bool {
	const short, long = 4, 8
	slips := 0
	switch {
	case len(keyword) >= long:
		slips = 2
	case len(keyword) >= short:
		slips = 1
	}
	if name == "" || slips == 0 || len(name)-len(keyword) > slips || len(keyword)-len(name) > slips {
		return false
	}
	return distance(name, keyword) <= slips
}

// distance is how many letters have to be added, left out, replaced or exchanged
// with their neighbour to make one text of the other.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

package schemax

import (
	"slices"
	"strings"
)

// JSON Schema ignores unknown keywords, so a misspelt keyword would check nothing. Here it
// is refused.

// assertions has the keywords of 2020-12 that check something or contain schemas, and the
// keyword dependencies of an older draft, which the library still checks.
var assertions = strings.Fields(`
	$ref $dynamicRef allOf anyOf oneOf not if then else dependentSchemas prefixItems items contains
	properties patternProperties additionalProperties propertyNames unevaluatedItems unevaluatedProperties
	type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum
	maxLength minLength pattern maxItems minItems uniqueItems maxContains minContains
	maxProperties minProperties required dependentRequired dependencies format`)

// annotations has the keywords that check nothing.
var annotations = strings.Fields(`
	$schema $id $anchor $dynamicAnchor $vocabulary $comment $defs definitions
	title description default deprecated readOnly writeOnly examples
	contentEncoding contentMediaType contentSchema`)

// replaced has the keywords of older drafts that check nothing in 2020-12, with what to
// write instead.
var replaced = map[string]string{
	"additionalItems":  "write prefixItems for the first items, and items for the others",
	"$recursiveRef":    "write $dynamicRef",
	"$recursiveAnchor": "write $dynamicAnchor",
	"divisibleBy":      "write multipleOf",
	"disallow":         "write not",
	"extends":          "write allOf",
}

// folded has the keywords by their folded names.
var folded = func() map[string]string {
	names := map[string]string{}
	for _, name := range slices.Concat(assertions, annotations) {
		names[fold(name)] = name
	}
	return names
}()

// fold returns a name in lower case without underscores, hyphens and spaces.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// adviceFor returns what to write instead of a name that resembles a keyword. It returns ""
// for keywords and for all other names.
func adviceFor(name string) string {
	const prefix = "x-" // of names that are never keywords
	if strings.HasPrefix(name, prefix) || slices.Contains(assertions, name) || slices.Contains(annotations, name) {
		return ""
	}
	if advice := replaced[name]; advice != "" {
		return advice
	}
	if keyword := folded[fold(name)]; keyword != "" {
		return "write " + keyword
	}
	for _, keyword := range assertions {
		if isNear(fold(name), fold(keyword)) {
			return "write " + keyword + ", or " + prefix + name + " if it is your own annotation"
		}
	}
	return ""
}

// isNear reports whether a name is a keyword of at least four letters with one typing
// error, or a keyword of at least eight letters with at most two.
func isNear(name, keyword string) bool {
	const short, long = 4, 8
	errors := 0
	switch {
	case len(keyword) >= long:
		errors = 2
	case len(keyword) >= short:
		errors = 1
	}
	if name == "" || errors == 0 || len(name)-len(keyword) > errors || len(keyword)-len(name) > errors {
		return false
	}
	return distance(name, keyword) <= errors
}

// distance returns the number of letters that must be added, removed, replaced or swapped
// with the next one to get one text from the other (the optimal string alignment distance).
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
			replace := 1
			if a[i-1] == b[j-1] {
				replace = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

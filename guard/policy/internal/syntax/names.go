package syntax

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode"

	"github.com/farmountain/aureus-go/internal/nametext"
)

// name checks a name that is compared exactly: visible characters, and no "*", which
// would read as a wildcard and is none.
func name(text string) string {
	if text == "" {
		return "must not be empty"
	}
	if problem := nametext.Identifier(text); problem != "" {
		return problem
	}
	if strings.Contains(text, "*") {
		return `must not contain "*": it is compared exactly, and here no wildcard is allowed`
	}
	return ""
}

// bundleName checks the name of a bundle. "/" and "@" follow it in a decision.
func bundleName(text string) string {
	if problem := name(text); problem != "" {
		return problem
	}
	if i := strings.IndexAny(text, "/@"); i >= 0 {
		return fmt.Sprintf("must not contain %q, which ends the name of the bundle in a decision", text[i:i+1])
	}
	return ""
}

// nameOrPrefix checks a name that may end with "*".
func nameOrPrefix(text string) string {
	before, found := strings.CutSuffix(text, "*")
	switch {
	case found && before == "":
		return ""
	case strings.Contains(before, "*"):
		return `must not contain "*", except as its last character`
	case nametext.Identifier(strings.TrimSuffix(before, " ")) != "":
		return nametext.Identifier(strings.TrimSuffix(before, " "))
	case !found:
		return name(text)
	}
	return ""
}

// label checks a sentence or a name that is only shown to people.
func label(text string) string {
	if problem := anyText(maxSentence)(text); problem != "" {
		return problem
	}
	return nametext.Label(text)
}

// condition checks the extent of a text in CEL.
func condition(text string) string { return anyText(MaxCondition)(text) }

// grantName checks the action of a grant: exact, "*", or "*" as the last segment.
func grantName(text string) string {
	return segments(text, func(segment string, last bool) string {
		if segment == "*" && last {
			return ""
		}
		return literal(segment, `"*" stands for the last segment, or alone`)
	})
}

// grantResource checks the resource of a grant: its segments are exact or "{name}", and
// the last one may be "*".
func grantResource(text string) string {
	seen := map[string]bool{}
	return segments(text, func(segment string, last bool) string {
		if segment == "*" && last {
			return ""
		}
		if variable, problem := variableOf(segment); variable != "" || problem != "" {
			if problem == "" && seen[variable] {
				problem = fmt.Sprintf("must not have {%s} twice", variable)
			}
			seen[variable] = true
			return problem
		}
		return literal(segment, `"*" stands for the last segment, or alone`)
	})
}

// requiredName checks the action of a requirement.
func requiredName(text string) string {
	return segments(text, func(segment string, _ bool) string {
		return literal(segment, `"*" is allowed in grants only`)
	})
}

// requiredResource checks the resource of a requirement: its segments are exact or
// "{name}", which stands for an argument.
func requiredResource(text string) string {
	return segments(text, func(segment string, _ bool) string {
		if variable, problem := variableOf(segment); variable != "" || problem != "" {
			return problem
		}
		return literal(segment, `"*" is allowed in grants only`)
	})
}

// segments checks a text that "/" divides. The first segment may be empty, as in
// "/reports/2026".
func segments(text string, check func(segment string, last bool) string) string {
	if text == "" {
		return "must not be empty"
	}
	if problem := nametext.Identifier(text); problem != "" {
		return problem
	}
	parts := strings.Split(text, "/")
	if len(parts) > maxSegments {
		return fmt.Sprintf("must have at most %d segments", maxSegments)
	}
	for i, segment := range parts {
		switch {
		case segment == "" && (i > 0 || len(parts) == 1 || text == "/"):
			return `must not have an empty segment: remove a "/"`
		case segment == "":
			continue
		}
		if problem := check(segment, i == len(parts)-1); problem != "" {
			return problem
		}
	}
	return ""
}

// literal checks a segment that is compared exactly.
func literal(segment, wildcards string) string {
	switch {
	case strings.Contains(segment, "*"):
		return "must not contain \"*\" here: " + wildcards
	case strings.ContainsAny(segment, "{}"):
		return "must not contain braces here: a variable is a whole segment such as {id}, and only of a resource"
	}
	return ""
}

// variableOf returns the name in a segment such as "{id}". Both results are empty if the
// segment is not in braces.
func variableOf(segment string) (variable, problem string) {
	inner, opened := strings.CutPrefix(segment, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened || !closed {
		return "", ""
	}
	for i, c := range inner {
		if c != '_' && (c > unicode.MaxASCII || !unicode.IsLetter(c)) && (i == 0 || c < '0' || c > '9') {
			return "", fmt.Sprintf("must name its variable with letters, digits and _, and not begin with a digit: {%s}", shown(inner))
		}
	}
	if inner == "" {
		return "", "must name its variable: {} is empty"
	}
	return inner, ""
}

// timestamp checks a time.
func timestamp(text string) string {
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		return "must be a time with a zone, such as 2026-11-30T03:00:00+01:00"
	}
	return ""
}

var errDuration = errors.New("must be a duration such as 30s, 15m or 24h")

// parseDuration reads a duration of at least a second and at most the limit.
func parseDuration(text string, limit time.Duration) (time.Duration, error) {
	value, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, errDuration
	case value < time.Second || value > limit:
		return 0, fmt.Errorf("must be from 1s to %s", durationText(limit))
	}
	return value, nil
}

func durationText(d time.Duration) string { return fmt.Sprintf("%dh", int(d.Hours())) }

// maxComparisons bounds the work for suggestions in one bundle.
const maxComparisons = 200_000

// closest returns the word that was probably meant, or "": the nearest one, if at most
// two characters differ and most are the same.
func (r *reader) closest(word string, among iter.Seq[string]) (best string) {
	if len(word) > maxWordShown {
		return ""
	}
	least := min(2, len(word)/2) + 1
	for candidate := range among {
		r.comparisons++
		if r.comparisons > maxComparisons {
			return ""
		}
		if diff := len(candidate) - len(word); diff >= least || -diff >= least {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < least || d == least && candidate < best {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the number of characters to insert, remove or replace to make one word of
// the other (Levenshtein). It counts bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

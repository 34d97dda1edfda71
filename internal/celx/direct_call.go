package celx

import (
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
)

// textTest evaluates startsWith, endsWith, contains, and matches with a constant pattern.
func (n *node) textTest(r run) answer {
	text := n.parts[0].eval(r)
	if text.kind != textKind {
		return unsure
	}
	if n.op == opMatches {
		if r.counting {
			r.cost += 1 + len(text.text)*n.fixed.pattern.Size/matchUnit
		}
		if len(text.text)*n.fixed.pattern.Size > maxMatch {
			return unsure
		}
		return answerOf(n.fixed.pattern.MatchString(strings.Clone(text.text))) // a copy, as in jsonNumberValue
	}
	part := n.parts[1].eval(r)
	if part.kind != textKind {
		return unsure
	}
	if r.counting {
		r.cost += n.textTestCost(text.text, part.text)
	}
	switch n.op {
	case opStartsWith:
		return answerOf(strings.HasPrefix(text.text, part.text))
	case opEndsWith:
		return answerOf(strings.HasSuffix(text.text, part.text))
	default:
		return answerOf(strings.Contains(text.text, part.text))
	}
}

func (n *node) textTestCost(text, part string) int {
	characters := utf8.RuneCountInString(part)
	if n.op != opContains {
		return readingCost(characters)
	}
	const unit = charsPerUnit * charsPerUnit
	return max(1, (utf8.RuneCountInString(text)*characters+unit-1)/unit)
}

// size evaluates size().
func (n *node) size(r run) value {
	v := n.parts[0].eval(r)
	r.cost++
	switch v.kind {
	case textKind:
		if n.pricing == priceDispatch {
			r.cost += len(v.text) / charsPerUnit
		}
		return numberValue(float64(utf8.RuneCountInString(v.text)))
	case listKind:
		list, _ := v.native.([]any)
		return numberValue(float64(len(list)))
	case rolesKind:
		return numberValue(float64(len(r.facts.Principal.Roles)))
	case objectKind:
		object, _ := v.native.(map[string]any)
		return numberValue(float64(len(object)))
	default:
		return value{}
	}
}

// clock evaluates request.hour and request.weekday with a constant zone.
func (n *node) clock(r run) value {
	r.cost += n.cost
	at := r.facts.Request.Time.In(n.fixed.zone)
	if n.op == opHour {
		return numberValue(float64(at.Hour()))
	}
	return textValue(weekdays[at.Weekday()])
}

// loop evaluates all, exists and exists_one over a list. The cost of a round is that of
// the calls that CEL's macros make.
func (n *node) loop(r run) answer {
	over, body := n.parts[0].eval(r), &n.parts[1]
	var list []any
	var roles []string
	switch over.kind {
	case listKind:
		list, _ = over.native.([]any)
	case rolesKind:
		roles = r.facts.Principal.Roles
	default:
		return unsure
	}
	var item value
	inner := r
	inner.locals[n.member] = &item
	decided, found := false, 0
	for i := range len(list) + len(roles) {
		if r.cost += roundCosts[n.op]; decided {
			break // as the interpreter does: it asks before the next round
		}
		if list != nil {
			item = valueOf(list[i])
		} else {
			item = textValue(roles[i])
		}
		r.cost += stepCosts[n.op]
		result := body.holds(inner)
		if result == unsure || !r.goesOn() {
			return unsure
		}
		decided = result == no && n.op == opAll || result == yes && n.op == opExists
		if result == yes {
			found++
			if n.op == opExistsOne {
				r.cost += costOfAddition
			}
		}
	}
	r.cost += resultCosts[n.op]
	switch n.op {
	case opAll:
		return answerOf(!decided)
	case opExists:
		return answerOf(decided)
	default:
		return answerOf(found == 1)
	}
}

// The costs of what CEL's macros make of a comprehension.
var (
	roundCosts  = [...]int{opAll: 2, opExists: 3, opExistsOne: 0} // @not_strictly_false(@result), with ! for exists
	stepCosts   = [...]int{opAll: 1, opExists: 1, opExistsOne: 0} // @result in @result && …
	resultCosts = [...]int{opAll: 1, opExists: 1, opExistsOne: 3} // @result, or @result == 1
)

const costOfAddition = 2 // @result + 1

// literalValue returns a literal of an expression; ok is false for one that is not
// evaluated directly.
func literalValue(literal any) (v value, ok bool) {
	switch literal := literal.(type) {
	case types.Null:
		return value{kind: nullKind}, true
	case types.Bool:
		return boolValue(bool(literal)), true
	case types.String:
		return textValue(string(literal)), true
	case types.Double:
		v = exactNumber(float64(literal))
	case types.Int:
		if -maxExact < literal && literal < maxExact {
			v = numberValue(float64(literal))
		}
	case types.Uint:
		if literal < maxExact {
			v = numberValue(float64(literal))
		}
	}
	return v, v.kind != unknownKind
}
